//! Log lines and metrics of secrets. They never show a secret.

use tracing::{info, warn};

use super::SecretError;

/// A store does not give a secret that it gave before, which goes on to be used.
pub(super) fn kept(key: &str, error: &SecretError) {
    warn!(
        message = "A secret cannot be read again; the one that was read before goes on to be used.",
        key, %error, internal_log_rate_limit = true,
    );
}

/// It does again.
pub(super) fn read_again(key: &str) {
    info!(message = "A secret can be read again.", key);
}
