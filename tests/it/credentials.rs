//! Credentials other than a client secret, against an Entra that verifies them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use office365_source::{
    config::{AuthConfig, CertificateConfig, SecretRef, SigningAlgorithm, WorkloadIdentityConfig},
    credentials::ConfiguredCredential,
    simulator::{SimulatedTenant, SimulatorConfig},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use uuid::Uuid;

use crate::support::{
    lab::{Lab, empty, minutes},
    start_of_time,
};

const PASSWORD: &str = "open-sesame";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/credentials").join(name)
}

fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(file(name)).unwrap().to_vec()
}

/// A world whose application has uploaded `app.crt`.
fn world() -> SimulatorConfig {
    let mut config = empty();
    config.tenants[0].certificates = vec![der("app.crt")];
    config
}

fn certificate(crt_file: &Path, key_file: Option<&Path>, password: Option<&str>) -> AuthConfig {
    let certificate = CertificateConfig {
        crt_file: crt_file.to_owned(),
        key_file: key_file.map(Path::to_owned),
        password: password.map(SecretRef::from),
        send_chain: false,
        signing: SigningAlgorithm::Ps256,
    };
    AuthConfig { certificate: Some(certificate), ..AuthConfig::without_credential(Uuid::from_u128(1)) }
}

fn named(crt_file: &str, key_file: Option<&str>, password: Option<&str>) -> AuthConfig {
    certificate(&file(crt_file), key_file.map(file).as_deref(), password)
}

/// Why a credential cannot be used, at a time.
async fn problem(auth: &AuthConfig, now: DateTime<Utc>) -> String {
    ConfiguredCredential::new(auth, "sources.m365.auth").check(now).await.unwrap_err().to_string()
}

async fn collects(mut lab: Lab, auth: AuthConfig) {
    lab.source.auth = AuthConfig { client_id: lab.source.auth.client_id, ..auth };
    lab.publish(&["a", "b"]);
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    lab.assert_arrived_once(&["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn every_form_of_a_certificate_collects() {
    for auth in [
        named("app.crt", Some("app.key"), None),
        named("app.crt", Some("app-pkcs1.key"), None),
        named("app.crt", Some("app-encrypted.key"), Some(PASSWORD)),
        named("app-both.pem", None, None),
        named("app.pfx", None, Some(PASSWORD)),
        named("app-legacy.pfx", None, Some(PASSWORD)),
        named("app-open.pfx", None, None),
    ] {
        collects(Lab::of(world()), auth).await;
    }
}

#[tokio::test(start_paused = true)]
async fn either_way_of_signing_is_verified_with_and_without_the_chain() {
    for (signing, send_chain) in [(SigningAlgorithm::Ps256, true), (SigningAlgorithm::Rs256, false)] {
        let mut auth = named("app.crt", Some("app.key"), None);
        auth.certificate.as_mut().unwrap().signing = signing;
        auth.certificate.as_mut().unwrap().send_chain = send_chain;
        collects(Lab::of(world()), auth).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_was_not_uploaded_is_refused_and_a_renewed_one_works_at_the_next_try() {
    let mut lab = Lab::of(world());
    let (crt_file, key_file) = (lab.data.path().join("crt"), lab.data.path().join("key"));
    let install = |crt: &str, key: &str| {
        fs::copy(file(crt), &crt_file).unwrap();
        fs::copy(file(key), &key_file).unwrap();
    };
    install("other.crt", "other.key");
    let client_id = lab.source.auth.client_id;
    lab.source.auth = AuthConfig { client_id, ..certificate(&crt_file, Some(&key_file), None) };
    lab.publish(&["a"]);
    let running = lab.start().await;
    minutes(60).await;
    assert!(lab.ids().is_empty());
    assert!(lab.log.text().contains("upload its public part under App registrations"), "{}", lab.log.text());

    install("app.crt", "app.key");
    minutes(16).await;
    assert_eq!(lab.ids().len(), 1);

    // Renewed while the current token is valid, in two steps as files are: nothing fails for long.
    lab.publish(&["b"]);
    fs::copy(file("other.crt"), &crt_file).unwrap();
    minutes(30).await;
    assert_eq!(lab.ids().len(), 2, "the token in hand stays in use");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_corrected_by_entra_s() {
    // The source's clock is an hour behind.
    let mut lab = Lab::of(world());
    lab.clock = lab.clock.skewed(TimeDelta::hours(-1));
    collects(lab, named("app.crt", Some("app.key"), None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_read_anew_each_time() {
    const TOKENS: [&str; 2] = ["eyJhbGciOiJSUzI1NiJ9.eyJuIjoxfQ.c2ln", "eyJhbGciOiJSUzI1NiJ9.eyJuIjoyfQ.c2ln"];
    let mut config = empty();
    config.tenants[0].federated_tokens = vec![TOKENS[1].to_owned()];
    let mut lab = Lab::of(config);
    let token_file = lab.data.path().join("token");
    let identity = WorkloadIdentityConfig { token_file: Some(token_file.clone()), client_id: None };
    lab.source.auth.client_secret = None;
    lab.source.auth.workload_identity = Some(identity);
    fs::write(&token_file, format!("{}\n", TOKENS[0])).unwrap();
    lab.publish(&["a"]);
    let running = lab.start().await;
    minutes(10).await;
    assert!(lab.ids().is_empty(), "the first token is not one of the application's");
    // A reader may meet the file while it is replaced.
    fs::write(&token_file, "").unwrap();
    minutes(16).await;
    fs::write(&token_file, TOKENS[1]).unwrap();
    minutes(16).await;
    assert_eq!(lab.ids().len(), 1);
    running.stop().await;
    for token in TOKENS {
        assert!(!lab.log.text().contains(token), "a token is a secret");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_can_have_an_application_of_its_own() {
    let mut config = empty();
    let other = SimulatedTenant {
        client_id: Uuid::from_u128(0x77),
        client_secret: "another-secret".to_owned(),
        ..SimulatedTenant::fabrikam().subscribed_since(Duration::from_hours(30 * 24))
    };
    config.tenants.push(other.clone());
    for has_own in [true, false] {
        let mut lab = Lab::of(config.clone());
        let own = AuthConfig::with_secret(other.client_id, "another-secret".into());
        lab.source.tenants[1].auth = has_own.then_some(own);
        lab.publish(&["ours"]);
        lab.feed.tenant = other.id;
        lab.publish(&["theirs"]);
        let (result, _) = lab.once().await;
        assert_eq!(result.is_ok(), has_own, "{}", lab.log.text());
        assert_eq!(lab.ids().len(), if has_own { 2 } else { 1 });
    }
}

/// A certificate with the key of `app.key` that expires after a time.
fn expiring(after: TimeDelta) -> (tempfile::TempDir, AuthConfig) {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::from_pem(&fs::read_to_string(file("app.key")).unwrap()).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap();
    let end = start_of_time() + after;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = params.not_before + (end - params_start()).to_std().unwrap();
    let crt_file = directory.path().join("app.crt");
    fs::write(&crt_file, params.self_signed(&key).unwrap().pem()).unwrap();
    let auth = certificate(&crt_file, Some(&file("app.key")), None);
    (directory, auth)
}

fn params_start() -> DateTime<Utc> {
    "2020-01-01T00:00:00Z".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_expires_is_told_in_time_and_once() {
    let (directory, auth) = expiring(TimeDelta::days(8));
    let mut config = empty();
    config.tenants[0].certificates =
        vec![CertificateDer::from_pem_file(directory.path().join("app.crt")).unwrap().to_vec()];
    let mut lab = Lab::of(config);
    lab.source.auth = AuthConfig { client_id: lab.source.auth.client_id, ..auth };
    let warnings = |lab: &Lab| lab.log.text().matches("The credential expires soon").count();
    let running = lab.start().await;
    minutes(90).await;
    assert_eq!(warnings(&lab), 1, "less than 30 days: {}", lab.log.text());
    minutes(24 * 60).await;
    assert_eq!(warnings(&lab), 2, "less than 7 days");
    minutes(6 * 24 * 60).await;
    assert_eq!(warnings(&lab), 3, "less than a day");
    minutes(24 * 60).await;
    assert!(lab.log.text().contains("The credential has expired"), "{}", lab.log.text());
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named_with_what_to_do() {
    let now = Utc::now();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let missing = directory.path().join("missing");
    let (empty, html) = (write("empty", b""), write("html", b"<html>sign in</html>"));
    let torn = write("torn", &fs::read(file("app.crt")).unwrap()[..300]);
    let large = write("large", &vec![b'a'; 2 * 1024 * 1024]);
    let key = file("app.key");
    for (auth, words) in [
        (certificate(&missing, None, None), &["certificate.crt_file", "cannot read", "missing"][..]),
        (certificate(&empty, Some(&key), None), &["certificate.crt_file", "neither a PEM file nor a PFX file"]),
        (certificate(&html, Some(&key), None), &["certificate.crt_file", "neither a PEM file nor a PFX file"]),
        (certificate(&torn, Some(&key), None), &["certificate.crt_file", "damaged"]),
        (certificate(&large, Some(&key), None), &["certificate.crt_file", "larger than 1 MiB"]),
        (certificate(&file("app.crt"), None, None), &["certificate.key_file", "holds no private key"]),
        (named("app.crt", Some("missing"), None), &["certificate.key_file", "cannot read"]),
        (named("app.crt", Some("other.key"), None), &["certificate.key_file", "does not belong"]),
        (named("ec.crt", Some("ec.key"), None), &["certificate.key_file", "RSA keys only"]),
        (named("short.crt", Some("short.key"), None), &["certificate.key_file", "2048 to 4096 bits"]),
        (named("app.crt", Some("app-encrypted.key"), None), &["certificate.key_file", "no password"]),
        (named("app.crt", Some("app-encrypted.key"), Some("wrong")), &["certificate.key_file", "is not its password"]),
        (named("app.crt", Some("app-legacy.key"), Some(PASSWORD)), &["certificate.key_file", "openssl pkcs8 -topk8"]),
        (
            named("app.pfx", None, Some("wrong")),
            &["certificate.crt_file", "PFX file that auth.certificate.password opens"],
        ),
        (named("app.pfx", None, None), &["certificate.crt_file", "PFX file that auth.certificate.password opens"]),
    ] {
        let problem = problem(&auth, now).await;
        for word in words {
            assert!(problem.contains(word), "{word:?} in {problem:?}");
        }
        assert!(problem.starts_with("sources.m365.auth."), "{problem}");
        for secret in [PASSWORD, "wrong", "MII", "<html>"] {
            assert!(!problem.contains(secret), "{problem}");
        }
    }
    let auth = named("app.crt", Some("app.key"), None);
    assert!(problem(&auth, now - TimeDelta::days(365 * 50)).await.contains("not valid before"));
    assert!(problem(&auth, now + TimeDelta::days(365 * 150)).await.contains("expired at"));
    let identity = WorkloadIdentityConfig { token_file: Some(missing), client_id: None };
    let auth = AuthConfig { certificate: None, workload_identity: Some(identity), ..auth };
    assert!(problem(&auth, now).await.contains("workload_identity.token_file: cannot read"));
}

/// The examples of docs/credentials.md, each in a configuration that is complete otherwise.
#[test]
fn every_example_of_the_documentation_is_valid() {
    use office365_source::config::{Format, parse};
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/credentials.md")).unwrap();
    let examples: Vec<_> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let tenants = format!("tenants = [{{ id = \"{}\" }}]\n", Uuid::from_u128(7));
        let tenants = if example.contains("tenants]]") { "" } else { &tenants };
        // What an example says of the source itself goes with the rest of it.
        let example = example.strip_prefix("[sources.m365]\n").unwrap_or(example);
        let whole = format!(
            "data_dir = \"/tmp\"\n[sources.m365]\ntype = \"office365\"\n{tenants}{example}\n\
             [sinks.out]\ntype = \"console\"\ninputs = [\"m365\"]\n"
        );
        if let Err(errors) = parse(&whole, Format::Toml) {
            panic!("{errors}\n{whole}");
        }
    }
}
