//! Why a tenant was not changed.

use snafu::Snafu;

use crate::{content::TenantId, ledger::LedgerError};

/// Why a tenant was not changed or removed.
#[derive(Debug, Snafu)]
pub enum TenancyError {
    /// There is no such tenant.
    #[snafu(display(
        "tenant {id} is not collected; `office365-source tenants list` shows those that are, and `office365-source register` \
         adds one"
    ))]
    Unknown {
        /// Which.
        id: TenantId,
    },
    /// There is none at all.
    #[snafu(display("{advice}"))]
    Nobody {
        /// What to do.
        advice: &'static str,
    },
    /// Other collectors work on it.
    #[snafu(display(
        "another collector works on it, and knows what is asked; `/status` of each shows its tenants (cluster.tenants). Ask there"
    ))]
    Elsewhere,
    /// A start needs a webhook that answers.
    #[snafu(display(
        "in mode \"webhook\" Microsoft calls the webhook before it answers a start, and nobody listens there now: start the source \
         with `office365-source run`. It starts its subscriptions by itself; while it runs, this command can be repeated"
    ))]
    NotListening,
    /// It stands in the configuration.
    #[snafu(display("tenant {id} stands in the configuration file; take it out of [[tenants]] there, and restart"))]
    Configured {
        /// Which.
        id: TenantId,
    },
    /// Its domain stands in the configuration.
    #[snafu(display("the domain of tenant {id} stands in the configuration file; change it there, and restart"))]
    DomainConfigured {
        /// Which.
        id: TenantId,
    },
    /// The ledger failed.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// How.
        source: LedgerError,
    },
}
