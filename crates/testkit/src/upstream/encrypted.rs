//! Encryption before a scripted server, with certificates made on the spot; and a server of HTTP/2.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use crate::client::message::Message;

/// Somebody who signs certificates, and whom nobody knows yet.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

/// A socket that decrypts. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct Encrypted {
    addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Authority {
    /// A new one, whose certificate lies in a file.
    ///
    /// Panics if it cannot be made.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("authority.pem"), certificate.pem()).expect("a file");
        Authority { issuer: Issuer::new(params, key), folder }
    }

    /// The file with its certificate, as `SSL_CERT_FILE` names one.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Listens on 127.0.0.1 as `name` and passes what it decrypts to the plain server at `to`.
    pub async fn front(&self, name: &str, to: SocketAddr) -> Encrypted {
        let acceptor = self.acceptor(name, &[]);
        Encrypted::start(acceptor, move |mut stream, _| async move {
            let Ok(mut plain) = TcpStream::connect(to).await else { return };
            // Which side breaks it is what tests are about.
            let _ = copy_bidirectional(&mut stream, &mut plain).await;
        })
        .await
    }

    /// Listens on 127.0.0.1 as `name`, speaks HTTP/2 only, and answers every request with `{}`; `initialize` with a
    /// result of its own.
    pub async fn http2(&self, name: &str) -> Encrypted {
        let acceptor = self.acceptor(name, &[b"h2"]);
        Encrypted::start(acceptor, |stream, requests| async move {
            let answer = service_fn(move |request| {
                requests.fetch_add(1, Ordering::SeqCst);
                answer(request)
            });
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        })
        .await
    }

    fn acceptor(&self, name: &str, protocols: &[&[u8]]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let versions = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = versions.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.der().clone()], key).expect("they fit");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

impl AsRef<Path> for Authority {
    fn as_ref(&self) -> &Path {
        self.folder.path()
    }
}

impl Encrypted {
    async fn start<F, A>(acceptor: TlsAcceptor, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>, Arc<AtomicUsize>) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (accepted, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, seen, serve) = (Arc::clone(&accepted), Arc::clone(&requests), Arc::new(serve));
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (acceptor, seen, count, serve) = (acceptor.clone(), seen.clone(), count.clone(), serve.clone());
                connections.spawn(async move {
                    // A client that does not trust the certificate ends it here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        count.fetch_add(1, Ordering::SeqCst);
                        serve(stream, seen).await;
                    }
                });
            }
        });
        Encrypted { addr, accepted, requests, accepting }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Connections that were encrypted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Requests so far, of the server that speaks HTTP/2.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    const OPENED: &str =
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"http2","version":"1"}}"#;
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = Message::parse(&String::from_utf8_lossy(&body)).ok();
    let id = message.as_ref().and_then(Message::id);
    let text = id.map(|id| {
        let opens = message.as_ref().is_some_and(|message| message.method() == Some("initialize"));
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{}}}", if opens { OPENED } else { "{}" })
    });
    let mut response = Response::new(Full::from(text.unwrap_or_default()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    Ok(response)
}
