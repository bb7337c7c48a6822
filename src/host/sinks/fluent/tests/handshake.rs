//! Shared keys, users, and TLS.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use super::{server::encoded, *};

const KEY: &str = "auth = { shared_key = \"hush\" }";
const USER: &str = "auth = { shared_key = \"hush\", username = \"o365\", password = \"secret-word\" }";

async fn secured(security: Security) -> TestServer {
    TestServer::start_with([], Some(security), None).await
}

fn with_user() -> Security {
    Security { user: Some(("o365", "secret-word")), ..Security::default() }
}

/// Why the server and this sink do not come together.
async fn refusal(security: Security, auth: &str) -> String {
    let server = secured(security).await;
    let peer = peer_with(&[&server], auth).await;
    let reason = failure(&peer, &message(&peer, 0..1)).await;
    assert!(server.received().is_empty());
    for secret in ["hush", "wrong-key", "secret-word", "wrong-word"] {
        assert!(!reason.contains(secret), "{reason}");
    }
    reason.strip_prefix(&server.url()).unwrap().to_owned()
}

#[tokio::test]
async fn one_handshake_opens_a_connection_for_many_messages() {
    // A server without users gets no user.
    for (security, auth) in [(Security::default(), KEY), (Security::default(), USER), (with_user(), USER)] {
        let server = secured(security).await;
        let peer = peer_with(&[&server], auth).await;
        for n in 0..3 {
            accepted(&peer, &message(&peer, n..n + 1)).await;
        }
        assert_eq!((numbers(&server), server.connections()), (vec![0, 1, 2], 1));
    }
}

#[tokio::test]
async fn a_server_may_want_a_connection_for_each_message() {
    let server = secured(Security { keepalive: false, ..Security::default() }).await;
    let peer = peer_with(&[&server], KEY).await;
    for n in 0..3 {
        accepted(&peer, &message(&peer, n..n + 1)).await;
    }
    assert_eq!((numbers(&server), server.connections()), (vec![0, 1, 2], 3));
}

#[tokio::test]
async fn a_refusal_says_which_key_to_see_to_and_no_secret() {
    let wrong_key = "auth = { shared_key = \"wrong-key\" }";
    assert_eq!(
        refusal(Security::default(), wrong_key).await,
        ": does not let this program in: shared_key mismatch (see to sinks.siem.auth.shared_key)"
    );
    let silent = refusal(Security { closes: true, ..Security::default() }, wrong_key).await;
    assert!(
        silent.starts_with(": has not let this program in, and not said why")
            && silent.ends_with("(see to sinks.siem.auth.shared_key: is it the server's shared_key?)"),
        "{silent}"
    );
    for auth in [KEY, "auth = { shared_key = \"hush\", username = \"o365\", password = \"wrong-word\" }"] {
        assert_eq!(
            refusal(with_user(), auth).await,
            ": does not let this program in: username/password mismatch (see to sinks.siem.auth.username and \
             sinks.siem.auth.password)"
        );
    }
    assert_eq!(
        refusal(Security::default(), "").await,
        ": asks for a shared key (write sinks.siem.auth.shared_key = { env = \"FLUENT_SHARED_KEY\" })"
    );
}

#[tokio::test]
async fn a_server_has_to_know_the_key_as_well() {
    let impostor = |hostname| Security { is_impostor: true, hostname, ..Security::default() };
    let reason = refusal(impostor("server"), KEY).await;
    assert!(reason.contains("does not know the shared key itself"), "{reason}");
    // Under the client's name, repeating the client's proof would do.
    let reason = refusal(impostor("office365-source"), KEY).await;
    assert!(reason.contains("calls itself \"office365-source\"") && reason.contains("sinks.siem.auth.self_hostname"));
}

#[tokio::test]
async fn a_server_that_breaks_the_handshake_off_is_no_server() {
    for (words, expected) in [
        (encoded(&rmpv::Value::Map(vec![("ack".into(), "x".into())])), "an answer that does not belong here: an ack"),
        (b"SSH-2.0-OpenSSH".to_vec(), "an answer that is not of the Forward protocol"),
        (Vec::new(), "has not asked for a shared key (leave out sinks.siem.auth if"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let servers = format!("servers = [\"tcp://{}\"]", listener.local_addr().unwrap());
        let config = format!("type = \"fluent\"\ninputs = [\"m365\"]\n{servers}\n{KEY}");
        let SinkConfig::Fluent(config) = toml::from_str(&config).unwrap() else { panic!() };
        let peer = FluentPeer::new(&labels(), &config).await.unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &words).await.unwrap();
        };
        let message = message(&peer, 0..1);
        let (reason, ()) = tokio::join!(failure(&peer, &message), server);
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_no_key_is_not_waited_for_for_ever() {
    let config = config(&[], KEY);
    let credentials = Credentials::new("siem", config.auth);
    let (ours, _theirs) = tokio::io::duplex(1_024);
    let start = tokio::time::Instant::now();
    let error = session::Session::open(ours, &credentials).await.unwrap_err().to_string();
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert!(error.contains("timed out (leave out sinks.siem.auth if the server's configuration has none"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_missing_is_noticed_at_the_start() {
    let config = config(&[], "auth = { shared_key = { file = \"/nonexistent/key\" } }");
    let Err(error) = FluentPeer::new(&labels(), &config).await else { panic!() };
    assert!(error.to_string().starts_with("sinks.siem.auth.shared_key: cannot read the file"), "{error}");
}

#[tokio::test]
async fn a_key_that_changes_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "wrong-key\n").unwrap();
    let server = secured(Security::default()).await;
    let peer = peer_with(&[&server], &format!("auth = {{ shared_key = {{ file = {file:?} }} }}")).await;
    let message = message(&peer, 0..1);
    failure(&peer, &message).await;
    std::fs::write(&file, "hush\n").unwrap();
    accepted(&peer, &message).await;
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_authority_vouches_for() {
    let directory = tempfile::tempdir().unwrap();
    let files = certificates(directory.path());
    let chain = CertificateDer::pem_file_iter(&files.crt_file).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&files.key_file).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let ca = format!("{KEY}\ntls = {{ ca_file = {:?} }}", files.ca_file);
    for (keepalive, connections) in [(true, 1), (false, 3)] {
        let security = Security { keepalive, ..Security::default() };
        let server = TestServer::start_with([], Some(security), Some(tls.clone())).await;
        let peer = peer_with(&[&server], &ca).await;
        for n in 0..3 {
            accepted(&peer, &message(&peer, n..n + 1)).await;
        }
        assert_eq!((numbers(&server), server.connections()), (vec![0, 1, 2], connections));
    }

    let server = TestServer::start_with([], None, Some(tls)).await;
    let stranger = peer_with(&[&server], "").await;
    let reason = failure(&stranger, &message(&stranger, 3..4)).await;
    assert!(reason.contains("with TLS: invalid peer certificate"), "{reason}");
    // Without TLS at a port with TLS: what comes is an alert.
    let mut plain = self::config(&[&server], "");
    plain.servers[0] = server.url().replace("tls:", "tcp:").parse().unwrap();
    let plain = FluentPeer::new(&labels(), &plain).await.unwrap();
    let reason = failure(&plain, &message(&plain, 4..5)).await;
    assert!(reason.contains("write tls:// in sinks.siem.servers for a server with TLS"), "{reason}");
    assert!(server.received().is_empty());
}
