//! Terminates TLS with a leaf for the asked name, and hands both sides to the protocol that was agreed on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

use super::hello::Hello;
use super::{Agent, Connection, End, Entry, Reason, Side, Verdict, end_client};
use crate::agent::Client;
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
    let client = &Client::new(cgroup, connection.workload.exe.as_deref(), &connection.server_name);
    let tls = match tokio::time::timeout(HANDSHAKE_PATIENCE, handshake).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(problem)) => {
            agent.upstream.give_back(lease);
            let reason = reason_of(&problem);
            if reason == Reason::ClientDistrusts || cannot_be_served(&problem) {
                agent.distrust.note(client);
            } else {
                agent.distrust.suspect(client);
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
    let finish = match &mut lease.carrier {
        Carrier::H1(provider) => {
            let mut tls = Side::new(tls);
            let finish = tokio::select! {
                biased;
                finish = h1::serve(&mut tls, provider, connection, lease.route) => finish,
                () = connection.accounting.abandon.cancelled() => h1::Finish::Closed(End::Reset),
            };
            tokio::select! {
                biased;
                () = connection.accounting.abandon.cancelled() => {}
                () = finish_h1(tls, finish) => {}
            }
            finish
        }
        Carrier::H2(provider) => h2::serve(tls, provider, connection, lease.route).await,
    };
    if connection.is_used() {
        agent.distrust.clear(client);
    } else {
        // Some clients look at the certificate only now, and leave without a word.
        entry.decide(Verdict::Intercepted, Reason::Unused);
        agent.distrust.suspect(client);
    }
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

/// A client that speaks only what weir does not, such as TLS 1.0: its provider may still speak it.
fn cannot_be_served(problem: &io::Error) -> bool {
    let cause = problem.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::PeerIncompatible(_)))
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
