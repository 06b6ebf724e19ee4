//! `floor`: a bare hyper and rustls relay, one thread, bodies passed on unread. What any proxy built from these parts
//! must at least spend.

use crate::tls;
use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
    /// Folder with ca.pem, cert.pem and key.pem
    #[arg(long)]
    keys: PathBuf,
}

/// Connections to the provider that wait for a request.
struct Upstream {
    address: SocketAddr,
    connector: TlsConnector,
    idle: Mutex<Vec<SendRequest<Incoming>>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let acceptor = TlsAcceptor::from(tls::server(&arguments.keys)?);
    let upstream = Arc::new(Upstream {
        address: arguments.upstream,
        connector: TlsConnector::from(tls::client(&arguments.keys.join("ca.pem"))?),
        idle: Mutex::new(Vec::new()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments.listen, acceptor, upstream))
}

async fn serve(listen: SocketAddr, acceptor: TlsAcceptor, upstream: Arc<Upstream>) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else {
                return;
            };
            let service = service_fn(|request| forward(Arc::clone(&upstream), request));
            // The load sees a connection that ends early; there is nobody else to tell.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn forward(
    upstream: Arc<Upstream>,
    request: Request<Incoming>,
) -> Result<Response<Incoming>> {
    let mut sender = match upstream.take() {
        Some(sender) => sender,
        None => upstream.connect().await?,
    };
    let response = sender.send_request(request).await?;
    tokio::spawn(async move {
        if sender.ready().await.is_ok() {
            upstream.put(sender);
        }
    });
    Ok(response)
}

impl Upstream {
    fn take(&self) -> Option<SendRequest<Incoming>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<Incoming>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    }

    async fn connect(&self) -> Result<SendRequest<Incoming>> {
        let tcp = TcpStream::connect(self.address).await.context("connect to the provider")?;
        tcp.set_nodelay(true)?;
        let stream = self.connector.connect(ServerName::try_from(tls::NAME)?, tcp).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
