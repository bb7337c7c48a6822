//! One request to find out who answers, and with which certificate.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, StatusCode};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use url::Url;

use super::{
    SetupError, TransportError, TransportOptions,
    client::client,
    tls::{ClientFiles, client_config_with},
};

/// What came of a probe.
#[derive(Debug)]
pub struct Probe {
    /// The answer, or why there is none.
    pub answer: Result<(StatusCode, HeaderMap), TransportError>,
    /// The certificate of the server, also when it was refused; `None` without a TLS handshake.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Asks for a URL the way that requests to it go.
///
/// # Errors
///
/// When the CA file or a proxy URL cannot be used.
pub async fn probe(options: &TransportOptions, url: Url) -> Result<Probe, SetupError> {
    let seen: Arc<Mutex<Option<CertificateDer<'static>>>> = Arc::default();
    let files = ClientFiles { ca_file: options.ca_file.as_deref(), identity: None };
    let record = |inner| Arc::new(Recorder { inner, seen: Arc::clone(&seen) }) as Arc<dyn ServerCertVerifier>;
    let client = client(options, client_config_with(files, record)?)?;
    let answer = match client.get(url).send().await {
        Ok(response) => Ok((response.status(), response.headers().clone())),
        Err(error) => Err(TransportError::from(error)),
    };
    let certificate = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(Probe { answer, certificate })
}

/// Remembers the certificate that another verifier judges.
#[derive(Debug)]
struct Recorder {
    inner: Arc<dyn ServerCertVerifier>,
    seen: Arc<Mutex<Option<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
