//! The token that another identity provider issues to this workload.

use std::{env, fs::File, io::Read, path::PathBuf};

use secrecy::SecretString;
use snafu::ResultExt;

use super::{
    CredentialError,
    error::{NoTokenFileSnafu, NoTokenSnafu, TokenFileSnafu},
};
use crate::config::WorkloadIdentityConfig;

/// Tokens of identity providers have some kilobytes.
const LARGEST_TOKEN: u64 = 64 * 1024;

/// As AKS sets it.
pub(super) const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// Where the token is.
pub(super) fn token_file(config: &WorkloadIdentityConfig) -> Option<PathBuf> {
    config.token_file.clone().or_else(|| env::var_os(TOKEN_FILE).map(PathBuf::from))
}

/// The token as it is now. `key` is where the credential stands, such as `sources.m365.auth`.
pub(super) fn token(config: &WorkloadIdentityConfig, key: &str) -> Result<SecretString, CredentialError> {
    let Some(path) = token_file(config) else { return NoTokenFileSnafu { key }.fail() };
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(LARGEST_TOKEN).read_to_string(&mut text))
        .context(TokenFileSnafu { key, path: &path })?;
    let token = text.trim();
    let parts: Vec<_> = token.split('.').collect();
    if parts.len() != 3 || parts.iter().any(|part| part.is_empty()) {
        return NoTokenSnafu { key, path }.fail();
    }
    Ok(SecretString::from(token))
}
