//! What every sink that speaks TLS has to do about certificates.

use tempfile::TempDir;

use super::{
    feeder::{Pipeline, numbered},
    http_peer::write_pem,
    pki::{Authority, Identity},
    telemetry::Log,
};

/// The certificates of a sink and its peer, each from an authority of its own.
pub struct Certificates {
    /// The peer's.
    pub server: Identity,
    /// Who signs the sink's.
    pub clients: Authority,
    authority: String,
    name: String,
    wrong_authority: String,
    wrong_name: String,
    identity: String,
    _dir: TempDir,
}

impl Certificates {
    /// The peer's certificate is for `server_name`, whatever its address.
    pub fn new(server_name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: &str| write_pem(&dir.path().join(name), pem);
        let (servers, clients, others) = (Authority::new("theirs"), Authority::new("ours"), Authority::new("other"));
        let client = clients.client("office365-source");
        let (crt, key) = (write("client.pem", &client.certificate), write("client-key.pem", &client.key));
        Self {
            server: servers.named_server(server_name),
            clients,
            authority: format!("tls.ca_file = {:?}\n", write("ca.pem", &servers.pem())),
            name: format!("tls.server_name = {server_name:?}\n"),
            wrong_authority: format!("tls.ca_file = {:?}\n", write("other.pem", &others.pem())),
            wrong_name: "tls.server_name = \"elsewhere.contoso.com\"\n".to_owned(),
            identity: format!("tls.crt_file = {crt:?}\ntls.key_file = {key:?}\n"),
            _dir: dir,
        }
    }

    /// The `tls` of a sink that the peer takes events from.
    fn right(&self) -> String {
        [self.authority.as_str(), &self.name, &self.identity].concat()
    }

    /// Each with one mistake, and what the log says of it.
    fn wrong(&self) -> [(String, &'static str); 4] {
        let Self { authority, name, wrong_authority, wrong_name, identity, .. } = self;
        [
            ([wrong_authority, name.as_str(), identity].concat(), "invalid peer certificate"),
            ([authority, wrong_name.as_str(), identity].concat(), "invalid peer certificate"),
            // The host of the address is not the name in the certificate.
            ([authority, identity.as_str()].concat(), "invalid peer certificate"),
            // What the peer says of this may get lost with the connection.
            ([authority, name.as_str()].concat(), ""),
        ]
    }
}

/// A sink with a mistake in its `tls` says so and delivers nothing; one without delivers.
///
/// `config` makes the sink's lines of those of its `tls`; `arrived` counts the requests that the peer has got.
pub async fn checks_certificates_on_both_sides(
    certificates: &Certificates,
    config: impl Fn(&str) -> String,
    arrived: impl Fn() -> usize,
) {
    for (tls, words) in certificates.wrong() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.subscriber());
        let pipeline = Pipeline::start(vec![numbered(0..1)], &config(&tls));
        log.wait_for("was not acknowledged").await;
        assert!(log.text().contains(words), "{tls}{}", log.text());
        assert_eq!(pipeline.statuses(), [None], "{tls}");
        pipeline.stop().await;
        assert_eq!(arrived(), 0, "{tls}");
    }
    Pipeline::start(vec![numbered(0..2)], &config(&certificates.right())).finish().await;
    assert_eq!(arrived(), 1);
}
