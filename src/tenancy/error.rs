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
