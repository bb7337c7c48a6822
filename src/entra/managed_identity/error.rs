//! Why a managed identity has no token.

use std::path::PathBuf;

use http::StatusCode;
use snafu::Snafu;

use super::IdentityChoice;
use crate::{content::TenantId, transport::TransportError};

/// Why a managed identity has no token.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum ManagedIdentityError {
    /// A variable cannot be used.
    #[snafu(display("the environment variable {name} is not what Azure sets; unset it, or set it as Azure does"))]
    Environment {
        /// Which.
        name: &'static str,
    },
    /// There is no service.
    #[snafu(display(
        "{service} does not answer: {}. Does this program run in Azure, or on a machine with Azure Arc? Elsewhere use \
         auth.certificate.", source.detail()
    ))]
    Unreachable {
        /// Which service.
        service: &'static str,
        /// What happened.
        source: TransportError,
    },
    /// The service cannot answer now.
    #[snafu(display("{service} has no token just now (HTTP {status}){}", because(said)))]
    Busy {
        /// Which service.
        service: &'static str,
        /// How it answered.
        status: StatusCode,
        /// What it said; may be empty.
        said: String,
    },
    /// The service refuses.
    #[snafu(display("{service} refuses (HTTP {status}){}. {}", because(said), advice(*status, choice)))]
    Refused {
        /// Which service.
        service: &'static str,
        /// How it answered.
        status: StatusCode,
        /// What it said; may be empty.
        said: String,
        /// Which identity was asked for.
        choice: IdentityChoice,
    },
    /// An answer without a token.
    #[snafu(display("{service} answers without a token (HTTP {status}); is that the service that Azure provides?"))]
    NoToken {
        /// Which service.
        service: &'static str,
        /// How it answered.
        status: StatusCode,
    },
    /// The token is another tenant's.
    #[snafu(display(
        "a managed identity has tokens for the tenant of its own subscription only ({own}), and not for {wanted}: give this tenant \
         an auth table of its own with a certificate"
    ))]
    OtherTenant {
        /// Whose token is wanted.
        wanted: TenantId,
        /// Whose it is.
        own: TenantId,
    },
    /// Arc has one identity for each machine.
    #[snafu(display("Azure Arc has system-assigned identities only; remove client_id and resource_id"))]
    ArcSystemOnly,
    /// Arc's challenge cannot be understood.
    #[snafu(display("Azure Arc's agent asks for no proof that is known here; update the agent"))]
    ArcChallenge,
    /// Arc's challenge leads elsewhere.
    #[snafu(display(
        "Azure Arc's agent names a file outside of its own directory, which is not read: {}", path.display()
    ))]
    ArcKeyElsewhere {
        /// Which file.
        path: PathBuf,
    },
    /// Arc's key cannot be read.
    #[snafu(display(
        "cannot read {}: {detail}. Make this program's user a member of the group himds.", path.display()
    ))]
    ArcKey {
        /// Which file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
}

impl ManagedIdentityError {
    /// Whether the same request may succeed later with nothing changed.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable { .. })
    }
}

fn because(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn advice(status: StatusCode, choice: &IdentityChoice) -> &'static str {
    match choice {
        _ if status != StatusCode::BAD_REQUEST => {
            "Is that the service that Azure provides, and may this process's user ask it? A firewall or a proxy may stand in between"
        }
        IdentityChoice::System => {
            "In the Azure portal open the machine or app > Identity, and turn the system-assigned identity on; where it has \
             user-assigned ones only, name one by auth.managed_identity.client_id"
        }
        IdentityChoice::ClientId(_) | IdentityChoice::ResourceId(_) => {
            "In the Azure portal open the machine or app > Identity > User assigned, and add the identity; compare its client ID \
             with auth.managed_identity"
        }
    }
}
