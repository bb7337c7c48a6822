//! Reads secrets, and keeps for a while what had to be asked for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use secrecy::ExposeSecret;
use snafu::ensure;
use tokio::{sync::Mutex, time::Instant};

use super::{
    Secret, SecretError, cyberark,
    error::NoSecretSnafu,
    local, telemetry,
    vault::{self, Sessions},
};
use crate::config::{REDACTED, SecretRef};

/// For how long a secret from a command or a store is not asked for again. A renewed one is used after this time, and at once
/// when the old one was refused.
const FRESH: Duration = Duration::from_mins(1);

/// Reads secrets. Clones share what they know.
#[derive(Clone, Default)]
pub struct SecretReader {
    /// What had to be asked for, by the path of its key in the configuration.
    held: Arc<std::sync::Mutex<HashMap<String, Arc<Mutex<Slot>>>>>,
    sessions: Sessions,
}

#[derive(Default)]
struct Slot {
    secret: Option<Secret>,
    /// When it was read; `None` when it is to be read again.
    read: Option<Instant>,
    /// Whether the last attempt failed.
    failing: bool,
}

impl fmt::Debug for SecretReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretReader").finish_non_exhaustive()
    }
}

impl SecretReader {
    /// Reads a secret. What is at hand is read anew each time, so that a renewed one is used without a restart. What a command
    /// or a store gives is kept for a minute, and for longer while the store cannot answer.
    ///
    /// `key` is the full path of this key in the configuration.
    ///
    /// # Errors
    ///
    /// When it cannot be read, and was not read before.
    pub async fn read(&self, secret: &SecretRef, key: &str) -> Result<Secret, SecretError> {
        if secret.is_at_hand() {
            return self.read_now(secret, key).await;
        }
        let slot =
            Arc::clone(self.held.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default());
        // Held while asking: others that want this secret wait for the one answer.
        let mut slot = slot.lock().await;
        if let Some(held) = slot.secret.as_ref().filter(|_| slot.read.is_some_and(|read| read.elapsed() < FRESH)) {
            return Ok(held.clone());
        }
        match self.read_now(secret, key).await {
            Ok(secret) => {
                if slot.failing {
                    telemetry::read_again(key);
                }
                *slot = Slot { secret: Some(secret.clone()), read: Some(Instant::now()), failing: false };
                Ok(secret)
            }
            Err(error) => match &slot.secret {
                Some(held) if error.is_temporary() => {
                    let held = held.clone();
                    if !slot.failing {
                        telemetry::kept(key, &error);
                    }
                    slot.failing = true;
                    slot.read = Some(Instant::now());
                    Ok(held)
                }
                _ => Err(error),
            },
        }
    }

    /// Has a secret read again: it was refused, and may have been renewed.
    pub async fn doubt(&self, key: &str) {
        let slot = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(slot) = slot {
            slot.lock().await.read = None;
        }
    }

    async fn read_now(&self, secret: &SecretRef, key: &str) -> Result<Secret, SecretError> {
        let read = match secret {
            SecretRef::Local(secret) => local::read(secret, key).await?.into(),
            SecretRef::CyberarkCcp(secret) => cyberark::read_ccp(secret, key).await?.into(),
            SecretRef::CyberarkCp(secret) => cyberark::read_cp(secret, key).await?.into(),
            SecretRef::Vault(secret) => vault::read(secret, key, &self.sessions).await?,
        };
        checked(&read, secret, key)
    }
}

/// Looks at the files of certificates by which a store of secrets is asked. Asks nobody.
///
/// # Errors
///
/// When one cannot be used.
pub(crate) fn check_files(secret: &SecretRef, key: &str) -> Result<(), SecretError> {
    match secret {
        SecretRef::CyberarkCcp(secret) => cyberark::service(secret, key).map(drop),
        SecretRef::Vault(secret) => vault::service(secret, key).map(drop),
        _ => Ok(()),
    }
}

/// A secret without the line end that `echo` writes into files and into stores alike; no client secret has one.
fn checked(read: &Secret, secret: &SecretRef, key: &str) -> Result<Secret, SecretError> {
    let text = read.value.expose_secret().trim_end_matches(['\r', '\n']);
    let no_secret = |problem| NoSecretSnafu { key, place: secret.place(), problem };
    ensure!(!text.trim().is_empty(), no_secret("is empty"));
    ensure!(text != REDACTED, no_secret("is the placeholder that a printed configuration shows"));
    Ok(Secret { value: text.to_owned().into(), expires: read.expires })
}
