//! Secrets on this machine.

use std::{env, fs::File, io::Read, path::Path};

use secrecy::ExposeSecret;
use snafu::{OptionExt, ResultExt, ensure};

use super::{
    command,
    error::{NoSecretSnafu, SecretError, UnreadableSnafu, UnsetSnafu},
};
use crate::config::LocalSecret;

/// Far above the length of any secret; keeps `file = "/dev/zero"` from filling the memory.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Reads a secret as it is now, as it stands there.
pub(super) async fn read(secret: &LocalSecret, key: &str) -> Result<String, SecretError> {
    match secret {
        LocalSecret::Inline(secret) => Ok(secret.expose_secret().to_owned()),
        LocalSecret::Env(name) => from_environment(key, name),
        LocalSecret::File(path) => from_file(key, path),
        LocalSecret::Exec(secret) => command::read(secret, key).await,
    }
}

fn from_environment(key: &str, name: &str) -> Result<String, SecretError> {
    // `var_os` panics on no name; a name that no variable can have is just not set.
    let value = env::var_os(name).context(UnsetSnafu { key, name })?;
    // The error of `env::var` would carry the value.
    value.into_string().ok().context(NoSecretSnafu {
        key,
        place: format!("the environment variable {name}"),
        problem: "is not UTF-8 text",
    })
}

pub(super) fn from_file(key: &str, path: &Path) -> Result<String, SecretError> {
    let no_secret = |problem| NoSecretSnafu { key, place: format!("the file {}", path.display()), problem };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .context(UnreadableSnafu { key, path })?;
    ensure!(bytes.len() as u64 <= MAX_FILE_BYTES, no_secret("is larger than 64 KiB"));
    let text = String::from_utf8(bytes).ok().context(no_secret("is not UTF-8 text"))?;
    // Windows editors put a byte order mark in front.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
