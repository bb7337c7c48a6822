//! TLS as Microsoft sees it: the handshake, and what is wrong with the certificate.

use std::{io, sync::Arc};

use chrono::DateTime;
use rustls::{
    CertificateError, ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::ring,
    pki_types::{ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Settings with the system's trust store alone: Microsoft does not know the authorities of `tls.ca_file`.
pub(super) fn system_trust() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    trust(Arc::new(Verifier::new(provider)?))
}

fn trust(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Makes a handshake and hangs up. The error says what to change.
pub(super) async fn handshake(
    stream: TcpStream,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
) -> Result<(), String> {
    match TlsConnector::from(config).connect(name.clone(), stream).await {
        Ok(_) => Ok(()),
        Err(error) => Err(advice(&error, &name)),
    }
}

fn advice(error: &io::Error, name: &ServerName<'_>) -> String {
    let name = name.to_str();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(problem)) => certificate_advice(problem, &name),
        Some(rustls::Error::InvalidMessage(_)) => {
            "what answers there does not speak TLS: write webhook.tls.enabled = true, or let the proxy in front terminate \
             TLS on this port"
                .to_owned()
        }
        Some(other) => format!("the handshake failed: {other}; Microsoft needs TLS 1.2 or 1.3"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed during the handshake: does a firewall inspect it, or a proxy expect another name?"
                .to_owned()
        }
        None => format!("the handshake broke off: {error}"),
    }
}

fn certificate_advice(problem: &CertificateError, name: &str) -> String {
    use CertificateError as E;
    match problem {
        E::Expired => "the certificate has expired: renew it".to_owned(),
        E::ExpiredContext { not_after, .. } => format!(
            "the certificate, or one of its chain, expired at {}: renew it, and check that what answers has loaded the new one",
            date(*not_after)
        ),
        E::NotValidYet => {
            "the certificate is not valid yet: check the clocks of this machine and of the machine that made it"
                .to_owned()
        }
        E::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}: check this machine's clock, or wait", date(*not_before))
        }
        E::NotValidForName => not_for(name, ""),
        E::NotValidForNameContext { presented, .. } => {
            let presented = presented.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            not_for(name, &format!(" (it is for {})", if presented.is_empty() { "no name" } else { &presented }))
        }
        E::UnknownIssuer => UNKNOWN_ISSUER.to_owned(),
        E::Other(other) if is_self_signed_authority(other) => UNKNOWN_ISSUER.to_owned(),
        E::Revoked => "the certificate was revoked: have another one made".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate is not one for servers (extended key usage): have one made for TLS servers".to_owned()
        }
        other => format!("the certificate is not accepted: {other}"),
    }
}

const UNKNOWN_ISSUER: &str = "nobody whom this system trusts has issued the certificate. Either it is self-signed or by an \
                              authority of your own, which Microsoft does not know: use one of a public authority. Or the \
                              intermediate certificate is missing: write the certificate and its intermediates into \
                              webhook.tls.crt_file, the server's own first";

fn not_for(name: &str, instead: &str) -> String {
    format!(
        "the certificate is not for {name}{instead}: have one made for this name, or write the name of the certificate in \
         webhook.public_url"
    )
}

/// Self-signed certificates are often marked as an authority's, which is refused before an issuer is looked for.
fn is_self_signed_authority(error: &rustls::OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn date(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
    time.map_or_else(|| "a time far away".to_owned(), |time| time.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
    use rustls::{RootCertStore, ServerConfig, client::WebPkiServerVerifier, pki_types::PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const NAME: &str = "demo.example.com";

    struct Authority {
        issuer: CertifiedIssuer<'static, KeyPair>,
        client: Arc<ClientConfig>,
    }

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, "An authority");
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(issuer.der().clone()).unwrap();
            let provider = Arc::new(ring::default_provider());
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            Self { issuer, client: Arc::new(trust(verifier).unwrap()) }
        }

        /// What a handshake with a server says that shows this certificate, signed by this authority or by itself.
        async fn shown(&self, params: CertificateParams, self_signed: bool) -> Result<(), String> {
            let key = KeyPair::generate().unwrap();
            let certificate =
                if self_signed { params.self_signed(&key) } else { params.signed_by(&key, &self.issuer) }.unwrap();
            let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            let accepting = tokio::spawn(TlsAcceptor::from(Arc::new(server)).accept(accepted));
            let shown = handshake(stream, NAME.try_into().unwrap(), Arc::clone(&self.client)).await;
            let _ = accepting.await.unwrap();
            shown
        }
    }

    fn params(name: &str) -> CertificateParams {
        CertificateParams::new(vec![name.to_owned()]).unwrap()
    }

    #[tokio::test]
    async fn a_good_certificate_is_accepted() {
        assert_eq!(Authority::new().shown(params(NAME), false).await, Ok(()));
    }

    #[tokio::test]
    async fn every_flaw_of_a_certificate_has_its_own_advice() {
        let authority = Authority::new();
        let (mut expired, mut early, mut own_authority) = (params(NAME), params(NAME), params(NAME));
        expired.not_after = date_time_ymd(2020, 1, 2);
        early.not_before = date_time_ymd(4000, 1, 2);
        own_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        for (params, self_signed, expected) in [
            (expired, false, "expired at 2020-01-02T00:00:00+00:00: renew it"),
            (early, false, "is not valid before 4000-01-02T00:00:00+00:00: check this machine's clock"),
            (params("other.example.com"), false, "is not for demo.example.com (it is for"),
            (params(NAME), true, "the intermediate certificate is missing"),
            (own_authority, true, "self-signed"),
        ] {
            let advice = authority.shown(params, self_signed).await.unwrap_err();
            assert!(advice.contains(expected), "{advice}");
        }
    }

    #[tokio::test]
    async fn what_is_no_tls_is_told() {
        use tokio::io::AsyncWriteExt;

        let authority = Authority::new();
        for (answer, expected) in
            [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not speak TLS"), (b"", "was closed during the handshake")]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut accepted, _) = listener.accept().await.unwrap();
            accepted.write_all(answer).await.unwrap();
            accepted.shutdown().await.unwrap();
            let advice = handshake(stream, NAME.try_into().unwrap(), Arc::clone(&authority.client)).await.unwrap_err();
            assert!(advice.contains(expected), "{advice}");
        }
    }

    #[test]
    fn the_system_has_a_trust_store() {
        system_trust().unwrap();
    }
}
