//! The way to the state that several collectors share, as a configuration describes it.

use secrecy::SecretString;
use url::Url;

use crate::{
    config::{NatsTlsConfig, SecretRef, StateConfig},
    ledger::{NatsLogin, NatsOptions},
    secrets::{SecretError, SecretReader},
    transport::{ClientFiles, client_config},
};

/// Reads what is needed to log in. `path` is where the block is, such as `sources.m365.state`.
///
/// # Errors
///
/// When a secret cannot be read, or a file for TLS cannot be used.
pub(crate) async fn nats_options(
    config: &StateConfig,
    secrets: &SecretReader,
    path: &str,
) -> crate::Result<NatsOptions> {
    let NatsTlsConfig { ca_file, crt_file, key_file } = &config.tls;
    let identity = crt_file.as_deref().zip(key_file.as_deref());
    let is_tls = config.servers.iter().any(|url| url.scheme() == "tls") || ca_file.is_some() || identity.is_some();
    let tls = match client_config(ClientFiles { ca_file: ca_file.as_deref(), identity }) {
        Ok(tls) => Some(tls),
        Err(error) if is_tls => return Err(format!("{path}.{error}").into()),
        // A server that asks for TLS is refused then.
        Err(_) => None,
    };
    Ok(NatsOptions {
        servers: config.servers.iter().map(Url::to_string).collect(),
        prefix: config.prefix.clone(),
        replicas: usize::try_from(config.replicas)?,
        login: login(config, secrets, path).await?,
        tls,
        requires_tls: is_tls,
    })
}

async fn login(config: &StateConfig, secrets: &SecretReader, path: &str) -> Result<NatsLogin, SecretError> {
    let read = async |reference: &SecretRef, key: &str| -> Result<SecretString, SecretError> {
        Ok(secrets.read(reference, &format!("{path}.{key}")).await?.value)
    };
    Ok(match config {
        StateConfig { credentials_file: Some(file), .. } => NatsLogin::CredentialsFile(file.clone()),
        StateConfig { token: Some(token), .. } => NatsLogin::Token(read(token, "token").await?),
        StateConfig { user: Some(user), password: Some(password), .. } => {
            NatsLogin::User { name: user.clone(), password: read(password, "password").await? }
        }
        StateConfig { nkey: Some(seed), .. } => NatsLogin::Nkey(read(seed, "nkey").await?),
        _ => NatsLogin::Anonymous,
    })
}
