//! Client assertions compared with those of Microsoft's own libraries, and checked by a verifier that shares no code with the
//! signer. Needs Python with msal (tests/support/identity-requirements.txt), as `python3` or where `IDENTITY_PYTHON` says, and
//! Node with @azure/identity 4.13.1 in the folder that `IDENTITY_NODE_FOLDER` names. Without them the tests say that they skip.
#![cfg(feature = "simulator")]

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path, process::Command};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use office365_source::{
    clock::Clock,
    config::{AuthConfig, CertificateConfig, SigningAlgorithm},
    credentials::ConfiguredCredential,
    entra::credential::{Credential, Proof, ProofRequest},
    simulator::{InProcess, SimulatedTenant, Simulator, SimulatorConfig},
    transport::{Request, Transport},
};
use ring::{
    digest,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;
use x509_cert::{Certificate, der::Decode};

const TENANT: &str = "6a98b5da-7b3c-4486-bb0b-66a048c6da62";
const CLIENT: &str = "11111111-2222-4333-8444-555555555555";

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/credentials").join(name)
}

/// What msal signs, by the algorithm; `None` where it cannot be asked.
fn of_msal(thumbprint: &str) -> Option<BTreeMap<String, String>> {
    let python = env::var("IDENTITY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/msal_assertions.py");
    let output = Command::new(python).arg(script).args([data("app.crt"), data("app.key")]).arg(thumbprint).output();
    match output {
        Ok(output) if output.status.success() => Some(serde_json::from_slice(&output.stdout).unwrap()),
        _ => None,
    }
}

/// What @azure/identity signs; `None` where it cannot be asked.
fn of_azure_identity() -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/azure_identity_assertion.mjs");
    let folder = env::var_os("IDENTITY_NODE_FOLDER")?;
    let output = Command::new("node").arg(script).arg(data("app-both.pem")).arg(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn part(assertion: &str, index: usize) -> Value {
    let part = assertion.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// What must be the same for every signer.
fn shape(assertion: &str) -> BTreeMap<&'static str, Value> {
    let (header, claims) = (part(assertion, 0), part(assertion, 1));
    let time = |name: &str| claims[name].as_f64().unwrap();
    let unpadded = |name: &str| Value::from(header[name].as_str().map(|text| text.trim_end_matches('=').to_owned()));
    BTreeMap::from([
        ("alg", header["alg"].clone()),
        ("typ", header["typ"].clone()),
        ("x5t", unpadded("x5t")),
        ("x5t#S256", unpadded("x5t#S256")),
        ("aud", claims["aud"].clone()),
        ("iss", claims["iss"].clone()),
        ("sub", claims["sub"].clone()),
        // msal-node looks at the clock for each of the two.
        ("life", Value::from(((time("exp") - time("iat")) / 10.0).round() * 10.0)),
        ("has_jti", Value::from(claims["jti"].as_str().is_some_and(|jti| Uuid::parse_str(jti).is_ok()))),
    ])
}

fn is_signed(assertion: &str, certificate: &[u8]) -> bool {
    let parsed = Certificate::from_der(certificate).unwrap();
    let public = parsed.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    match part(assertion, 0)["alg"].as_str() {
        Some("PS256") => {
            UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature)
        }
        _ => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature),
    }
    .is_ok()
}

async fn ours(signing: SigningAlgorithm) -> String {
    let certificate = CertificateConfig {
        crt_file: data("app.crt"),
        key_file: Some(data("app.key")),
        password: None,
        send_chain: false,
        signing,
    };
    let auth = AuthConfig { certificate: Some(certificate), ..AuthConfig::without_credential(CLIENT.parse().unwrap()) };
    let audience = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token").parse().unwrap();
    let request = ProofRequest {
        tenant: TENANT,
        client_id: CLIENT,
        audience: &audience,
        resource: "https://manage.office.com",
        now: Clock::system().now(),
    };
    match ConfiguredCredential::new(&auth, "sources.m365.auth").prove(&request).await {
        Ok(Proof::Assertion(assertion)) => assertion.expose_secret().to_owned(),
        _ => panic!("a certificate signs"),
    }
}

/// Whether the simulated Entra gives a token for an assertion.
async fn is_accepted(assertion: &str, certificate: &[u8]) -> bool {
    let tenant = SimulatedTenant {
        client_id: CLIENT.parse().unwrap(),
        certificates: vec![certificate.to_vec()],
        ..SimulatedTenant::contoso()
    };
    let id = tenant.id;
    let config = SimulatorConfig { tenants: vec![tenant], ..SimulatorConfig::default() };
    let simulator = Simulator::new(config, Clock::system());
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", CLIENT)
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", assertion)
        .append_pair("scope", "https://manage.office.com/.default")
        .finish();
    let url = format!("https://login.microsoftonline.com/{id}/oauth2/v2.0/token").parse().unwrap();
    let mut request = Request::new(http::Method::POST, url);
    let form_type = http::HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(http::header::CONTENT_TYPE, form_type);
    request.body = form.into_bytes().into();
    InProcess::new(&simulator).send(request).await.unwrap().status.is_success()
}

#[tokio::test]
async fn assertions_are_as_azure_identity_makes_them() {
    let certificate = CertificateDer::from_pem_slice(&fs::read(data("app.crt")).unwrap()).unwrap().to_vec();
    let Some(theirs) = of_azure_identity() else {
        eprintln!("skipped: no Node with @azure/identity; see the head of tests/it/microsoft_libraries.rs");
        return;
    };
    let ours = ours(SigningAlgorithm::Ps256).await;
    assert_eq!(shape(&ours), shape(&theirs));
    assert_eq!(part(&ours, 0), part(&theirs, 0), "without padding, as here");
    assert!(is_signed(&theirs, &certificate) && is_accepted(&theirs, &certificate).await);
}

#[tokio::test]
async fn assertions_are_as_msal_makes_them() {
    let certificate = CertificateDer::from_pem_slice(&fs::read(data("app.crt")).unwrap()).unwrap().to_vec();
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    let hexadecimal = thumbprint.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    });
    for signing in [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256] {
        let assertion = ours(signing).await;
        assert!(is_signed(&assertion, &certificate), "{signing:?}");
    }
    let Some(theirs) = of_msal(&hexadecimal) else {
        eprintln!("skipped: no Python with msal; see the head of tests/it/microsoft_libraries.rs");
        return;
    };
    for (name, signing) in [("PS256", SigningAlgorithm::Ps256), ("RS256", SigningAlgorithm::Rs256)] {
        let (theirs, ours) = (&theirs[name], ours(signing).await);
        assert_eq!(shape(&ours), shape(theirs), "{name}");
        assert!(is_signed(theirs, &certificate), "{name}");
        // The claims name the tenant that the simulator has.
        assert!(is_accepted(theirs, &certificate).await && is_accepted(&ours, &certificate).await, "{name}");
    }
}
