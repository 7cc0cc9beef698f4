//! A socket to a broker, and packets on it (MQTT 3.1.1, by the codec of `rumqttc`).
//!
//! Every socket has Nagle's algorithm off: a command that waits for the next packet costs the gap between two messages,
//! some milliseconds, which was measured on others. Knows no topics and keeps no session.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::Packet;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a connection may take to stand.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where a broker really is.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
    /// How it is secured; none for plain TCP.
    pub tls: Option<Arc<ClientConfig>>,
}

/// What a connection breaks on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("cannot reach the broker at `{address}`")]
    Connect {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("the connection broke")]
    Io(#[from] io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error("the broker said nothing for {0:?}")]
    Silent(Duration),
    #[error("the broker sent what is not MQTT 3.1.1: {0}")]
    Protocol(String),
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    #[error("the broker refused the subscription to `{0}`")]
    Unsubscribed(String),
}

/// A two-way stream of bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens the TCP connection, without Nagle's delay.
pub(super) async fn connect_tcp(address: &Address) -> Result<TcpStream, WireError> {
    let name = format!("{}:{}", address.host, address.port);
    let failed = |source| WireError::Connect { address: name.clone(), source };
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let waited = tokio::time::timeout(CONNECT_MAX, connecting).await;
    let stream = waited.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Puts TLS on a TCP connection.
pub(super) async fn secure(
    stream: TcpStream,
    address: &Address,
    tls: &Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, WireError> {
    let failed = |source| WireError::Connect { address: format!("{}:{}", address.host, address.port), source };
    let name = ServerName::try_from(address.host.clone()).map_err(|error| failed(io::Error::other(error)))?;
    let securing = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    let waited = tokio::time::timeout(CONNECT_MAX, securing).await;
    let stream = waited.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
    Ok(Box::new(stream))
}

/// The settings of TLS: trusts the certificates in `ca`, or what the system trusts where there is none.
///
/// # Errors
/// In words: a file that cannot be read or holds no certificate, or a system without any.
pub(super) fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let Some(path) = ca else {
        let builder = builder.with_platform_verifier().map_err(|error| error.to_string())?;
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let mut roots = RootCertStore::empty();
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read certificates from `{}`: {error}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is none in it"));
    }
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Takes the next whole packet from the front of the buffer; none where it is not whole yet.
pub(crate) fn next_packet(buffer: &mut BytesMut, len_max: usize) -> Result<Option<Packet>, WireError> {
    match Packet::read(buffer, len_max) {
        Ok(packet) => Ok(Some(packet)),
        Err(rumqttc::mqttbytes::Error::InsufficientBytes(more)) => {
            buffer.reserve(more.min(len_max));
            Ok(None)
        }
        Err(error) => Err(WireError::Protocol(error.to_string())),
    }
}

/// Adds a packet to what is to be sent.
pub(crate) fn put(buffer: &mut BytesMut, packet: &Packet) -> Result<(), WireError> {
    packet.write(buffer, usize::MAX).map(drop).map_err(|error| WireError::Protocol(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_socket_sends_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stream =
            connect_tcp(&Address { host: "127.0.0.1".to_owned(), port, tls: None }).await.expect("it connects");
        assert!(stream.nodelay().expect("the option can be read"), "Nagle's algorithm is off");
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let mut bytes = BytesMut::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.extend_from_slice(&[(state >> 56) as u8, ((state >> 40) & 0x0f) as u8]);
            }
            while let Ok(Some(_)) = next_packet(&mut bytes, 1024) {}
        }
    }
}
