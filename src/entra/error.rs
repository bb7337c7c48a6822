//! Why there is no token.

use std::time::Duration;

use http::StatusCode;
use snafu::Snafu;

use super::aadsts;
use crate::{content::TenantId, transport::TransportError};

/// Why Entra gave no token. Cheap to clone: everyone who waits for the token gets it.
#[derive(Clone, Debug, Snafu)]
pub enum EntraError {
    /// Entra refused.
    #[snafu(display("Microsoft Entra refused an access token for tenant {tenant}: {description}{}", advice_for(*code)))]
    Refused {
        /// The tenant.
        tenant: TenantId,
        /// The AADSTS code, where there is one.
        code: Option<u32>,
        /// Entra's words.
        description: String,
    },
    /// Entra has too much to do, or wants to be asked less often (HTTP 429 and 5xx).
    #[snafu(display(
        "Microsoft Entra gives no access token for tenant {tenant} just now (HTTP {status}); asking again in {} s", wait.as_secs()
    ))]
    Busy {
        /// The tenant.
        tenant: TenantId,
        /// How it answered.
        status: StatusCode,
        /// How long it is not asked: what `Retry-After` says, else a pause that doubles.
        wait: Duration,
    },
    /// No answer.
    #[snafu(display("cannot reach Microsoft Entra for a token for tenant {tenant}: {source}"))]
    Unreachable {
        /// The tenant.
        tenant: TenantId,
        /// What happened.
        source: TransportError,
    },
    /// An answer that is not Entra's.
    #[snafu(display(
        "{host} answered a token request for tenant {tenant} with HTTP {status} and a body that is not Microsoft Entra's; \
         is a proxy or firewall in the way, or auth_endpoint wrong?"
    ))]
    NotEntra {
        /// The tenant.
        tenant: TenantId,
        /// Who answered.
        host: String,
        /// How.
        status: StatusCode,
    },
    /// Entra refused the authorization code of an administrator's consent.
    #[snafu(display("Microsoft Entra refused the consent's authorization code: {description}{}", advice_for(*code)))]
    ConsentRefused {
        /// The AADSTS code, where there is one.
        code: Option<u32>,
        /// Entra's words.
        description: String,
    },
    /// No answer to an authorization code.
    #[snafu(display("cannot reach Microsoft Entra with the consent's authorization code: {source}"))]
    ConsentUnreachable {
        /// What happened.
        source: TransportError,
    },
    /// An answer to an authorization code that names no tenant.
    #[snafu(display(
        "{host} answered an authorization code with HTTP {status} and nothing that names a tenant; is a proxy in the way, or \
         auth_endpoint wrong?"
    ))]
    ConsentWithoutTenant {
        /// Who answered.
        host: String,
        /// How.
        status: StatusCode,
    },
    /// The credential cannot be read, or not be used.
    #[snafu(display("{problem}"))]
    Credential {
        /// Which and why.
        problem: String,
        /// Whether it may be a moment later, with nothing changed.
        is_temporary: bool,
    },
}

impl EntraError {
    /// How long Entra is not asked, if it only has too much to do.
    pub const fn asked_to_wait(&self) -> Option<Duration> {
        match self {
            Self::Busy { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// The AADSTS code, if Entra named one.
    pub const fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } | Self::ConsentRefused { code, .. } => *code,
            _ => None,
        }
    }
}

fn advice_for(code: Option<u32>) -> String {
    code.and_then(aadsts::advice).map_or_else(String::new, |advice| format!(": {advice}"))
}
