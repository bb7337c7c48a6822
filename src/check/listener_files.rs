//! The files behind the listener of mode "webhook".

use std::{
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use rustls::{
    client::verify_server_name,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use serde::de::IgnoredAny;
use snafu::{ResultExt, Snafu};
use tokio::time::timeout;

use super::{ConfigurationFindings, no_answer};
use crate::{
    config::{self, SecretRef, WebhookConfig},
    discovery::webhook::configured_auth_id,
    pem::{self, PemError},
    secrets::SecretReader,
};

/// Why a file of the listener cannot be used.
#[derive(Debug, Snafu)]
enum FileError {
    #[snafu(display(
        "{key}: cannot read {}: {source}. Write the path of a file that this process may read.", path.display()
    ))]
    Unreadable { key: String, path: PathBuf, source: io::Error },
    #[snafu(display("{key}: {} is no PEM file of certificates: it {problem}. {help}", path.display()))]
    Certificates { key: String, path: PathBuf, problem: &'static str, help: &'static str },
    #[snafu(display(
        "{key}: {} is no PEM file of a private key: it {problem}. Write the path of a file with a section \
         \"PRIVATE KEY\", not encrypted.",
        path.display()
    ))]
    PrivateKey { key: String, path: PathBuf, problem: &'static str },
    #[snafu(display(
        "{key}: {} cannot serve with the certificate in {}: {source}. Write the two files that were made together.",
        path.display(),
        certificate.display()
    ))]
    Pair {
        key: String,
        path: PathBuf,
        certificate: PathBuf,
        // As large as all the rest of the error together.
        #[snafu(source(from(rustls::Error, Box::new)))]
        source: Box<rustls::Error>,
    },
    #[snafu(display(
        "{key}: {} is not JSON: {source}. Download \"Azure IP Ranges and Service Tags\" from Microsoft again.", path.display()
    ))]
    ServiceTags { key: String, path: PathBuf, source: serde_json::Error },
}

/// Checks what the listener will read when it starts.
pub(super) async fn check(findings: &mut ConfigurationFindings, path: &str, webhook: &WebhookConfig) {
    findings.hints.extend(webhook.hints(path).iter().map(ToString::to_string));
    check_auth_id(findings, &format!("{path}.auth_id"), webhook).await;
    if webhook.tls.enabled {
        check_tls(findings, path, webhook);
    }
    if let Some(file) = &webhook.service_tags_file {
        findings.check(check_json(&format!("{path}.service_tags_file"), file));
    }
}

async fn check_auth_id(findings: &mut ConfigurationFindings, key: &str, webhook: &WebhookConfig) {
    let is_at_hand = webhook.auth_id.as_ref().is_none_or(SecretRef::is_at_hand);
    let secrets = SecretReader::default();
    let read = configured_auth_id(webhook, &secrets, key);
    let auth_id = match findings.patience_with_stores() {
        _ if is_at_hand => findings.check(read.await),
        None => return,
        Some(patience) => match timeout(patience, read).await {
            Ok(auth_id) => findings.check(auth_id),
            Err(_) => findings.check(Err(format!("{key}: {}", no_answer(patience, "look at where the AuthID is")))),
        },
    };
    let auth_id = auth_id.flatten();
    let hint = auth_id.as_ref().and_then(config::auth_id_hint);
    findings.hints.extend(hint.map(|hint| format!("{key}: {hint}.")));
}

fn check_tls(findings: &mut ConfigurationFindings, path: &str, webhook: &WebhookConfig) {
    let key = |name: &str| format!("{path}.tls.{name}");
    if let Some(file) = &webhook.tls.client_ca_file {
        let help = "Write the path of a file with the certificate of each authority.";
        findings.check(certificates(&key("client_ca_file"), file, help));
    }
    let (Some(crt_file), Some(key_file)) = (&webhook.tls.crt_file, &webhook.tls.key_file) else { return };
    let help = "Write the path of a file with the certificate first and its intermediates behind it.";
    let chain = findings.check(certificates(&key("crt_file"), crt_file, help));
    let private_key = findings.check(private_key(&key("key_file"), key_file));
    let (Some(chain), Some(private_key)) = (chain, private_key) else { return };
    let pair = CertifiedKey::from_der(chain, private_key, &ring::default_provider()).with_context(|_| PairSnafu {
        key: key("key_file"),
        path: key_file,
        certificate: crt_file,
    });
    if let Some(pair) = findings.check(pair)
        && let Some(host) = webhook.public_url().and_then(|url| url.host_str())
        && !is_for(&pair, host)
    {
        findings.hints.push(format!(
            "{}: the certificate is not for {host}, the host of public_url, and Microsoft would refuse it. Have one made for \
             this name, unless a proxy in front shows another.",
            key("crt_file")
        ));
    }
}

/// Whether the certificate has the name. An unclear case is no problem.
fn is_for(pair: &CertifiedKey, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']'])) else { return true };
    let Some(certificate) = pair.cert.first().and_then(|der| ParsedCertificate::try_from(der).ok()) else {
        return true;
    };
    verify_server_name(&certificate, &name).is_ok()
}

fn certificates(key: &str, path: &Path, help: &'static str) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let wrong = |problem| FileError::Certificates { key: key.to_owned(), path: path.to_owned(), problem, help };
    pem::certificates(path).map_err(|error| file_error(error, key, path, wrong))
}

fn private_key(key: &str, path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let wrong = |problem| FileError::PrivateKey { key: key.to_owned(), path: path.to_owned(), problem };
    pem::private_key(path).map_err(|error| file_error(error, key, path, wrong))
}

fn file_error(error: PemError, key: &str, path: &Path, wrong: impl Fn(&'static str) -> FileError) -> FileError {
    match error {
        PemError::Unreadable(source) => FileError::Unreadable { key: key.to_owned(), path: path.to_owned(), source },
        PemError::Content(problem) => wrong(problem),
    }
}

fn check_json(key: &str, path: &Path) -> Result<(), FileError> {
    let file = File::open(path).context(UnreadableSnafu { key, path })?;
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file)).map(drop).map_err(|source| {
        let (key, path) = (key.to_owned(), path.to_owned());
        if source.is_io() {
            FileError::Unreadable { key, path, source: source.into() }
        } else {
            FileError::ServiceTags { key, path, source }
        }
    })
}
