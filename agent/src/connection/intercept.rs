//! Terminates TLS with a leaf for the asked name, and hands both sides to the protocol that was agreed on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

use super::hello::Hello;
use super::{Agent, Connection, End, Entry, Reason, Side, Verdict, end_client};
use crate::exchange::{h1, h2};
use crate::upstream::{Carrier, Lease};

/// A handshake on the same machine that takes longer has stalled.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn serve(
    agent: &Agent,
    socket: TcpStream,
    hello: Hello,
    mut lease: Lease,
    connection: &Arc<Connection>,
    entry: &mut Entry,
    cgroup: u64,
) -> End {
    let Some(accepted) = hello.into_accepted() else { return End::Reset };
    let config = agent.terminator.config(lease.alpn);
    let handshake = StartHandshake::from_parts(accepted, socket).into_stream(config);
    let client = match tokio::time::timeout(HANDSHAKE_PATIENCE, handshake).await {
        Ok(Ok(client)) => client,
        Ok(Err(problem)) => {
            agent.upstream.give_back(lease);
            let reason = reason_of(&problem);
            if reason == Reason::ClientDistrusts {
                agent.distrust.note(cgroup, &connection.workload, &connection.server_name);
            }
            entry.decide(Verdict::Failed, reason);
            entry.ledger.detail = Some(problem.to_string());
            return End::Clean;
        }
        Err(_) => {
            agent.upstream.give_back(lease);
            entry.decide(Verdict::Failed, Reason::HandshakeFailed);
            return End::Reset;
        }
    };
    agent.distrust.clear(cgroup, &connection.workload, &connection.server_name);
    let finish = match &mut lease.carrier {
        Carrier::H1(provider) => {
            let mut client = Side::new(client);
            let finish = tokio::select! {
                biased;
                finish = h1::serve(&mut client, provider, connection, lease.route) => finish,
                () = connection.accounting.abandon.cancelled() => h1::Finish::Closed(End::Reset),
            };
            finish_h1(client, finish).await;
            finish
        }
        Carrier::H2(provider) => {
            tokio::select! {
                biased;
                finish = h2::serve(client, provider, connection, lease.route) => finish,
                () = connection.accounting.abandon.cancelled() => h1::Finish::Closed(End::Reset),
            }
        }
    };
    match finish {
        h1::Finish::Reusable => {
            agent.upstream.give_back(lease);
            End::Clean
        }
        h1::Finish::Closed(end) => end,
    }
}

async fn finish_h1(client: Side<tokio_rustls::server::TlsStream<TcpStream>>, finish: h1::Finish) {
    let end = match finish {
        h1::Finish::Reusable => End::Clean,
        h1::Finish::Closed(end) => end,
    };
    end_client(client.io, end).await;
}

/// Does the client refuse our certificate, or did something else go wrong?
fn reason_of(problem: &io::Error) -> Reason {
    let alert = problem.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::AlertReceived(alert)) = alert else { return Reason::HandshakeFailed };
    let distrust = [
        AlertDescription::UnknownCA,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::AccessDenied,
    ];
    if distrust.contains(alert) { Reason::ClientDistrusts } else { Reason::HandshakeFailed }
}
