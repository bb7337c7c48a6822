//! What is known of the completeness of days, and comparisons that somebody asks for.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use snafu::Snafu;

use super::{Administration, Comparing, Selection, TenancyError};
use crate::{
    audit_search::{DayState, Report, RequestError, SearchTask, report, request},
    content::{ContentType, Feed, TenantId},
    ledger::LedgerError,
};

/// Why nothing can be said of completeness.
#[derive(Debug, Snafu)]
pub enum CoverageError {
    /// The tenant that is meant is not collected, or none is.
    #[snafu(display("{source}"), context(false))]
    Tenancy {
        /// Which.
        source: TenancyError,
    },
    /// The ledger failed.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// How.
        source: LedgerError,
    },
    /// The audit log cannot be searched.
    #[snafu(display("{source}"), context(false))]
    Request {
        /// Why.
        source: RequestError,
    },
    /// The source has no audit search.
    #[snafu(display(
        "the source does not use the audit search: write a table [sources.<name>.audit_search] in the configuration (in Microsoft's global \
         cloud and GCC), and reload it"
    ))]
    NotConfigured,
    /// A command has the source compare its own days.
    #[snafu(display(
        "another `verify` or `backfill` has the ledger, for the days from {from} to {through}; run this again when that has ended, or stop it \
         before. `office365-source state coverage` shows how far it is"
    ))]
    Busy {
        /// Its first day.
        from: NaiveDate,
        /// Its last day.
        through: NaiveDate,
    },
}

impl Administration {
    /// What is known of the days of a range, of one tenant or of all.
    ///
    /// # Errors
    ///
    /// See [`CoverageError`].
    pub(super) async fn coverage(
        &self,
        range: (NaiveDate, NaiveDate),
        tenant: Option<TenantId>,
    ) -> Result<Report, CoverageError> {
        let tenants = self.own_tenants(&Selection { tenant, content_types: Vec::new() })?;
        let tenants: BTreeMap<_, _> = tenants.into_iter().collect();
        let now = self.tenancy.client.clock().now();
        let mut report = report(&*self.ledger, &tenants, &self.tenancy.content_types, range, now).await?;
        let feeds = self.tenancy.progress.feeds();
        for day in report.days.iter_mut().filter(|day| day.state == DayState::Searching && day.problem.is_none()) {
            let searches = Feed { tenant: day.tenant, content_type: ContentType::AuditLogQuery };
            day.problem = feeds.get(&searches).and_then(|feed| feed.problem.clone());
        }
        Ok(report)
    }

    /// Who goes on with days that are being compared.
    pub(super) const fn comparing(&self) -> Comparing {
        match (&self.search, self.task) {
            (None, _) => Comparing::Nobody,
            (Some(_), None) => Comparing::Source,
            (Some(_), Some(_)) => Comparing::Command,
        }
    }

    /// Asks for the comparison of days.
    ///
    /// # Errors
    ///
    /// See [`CoverageError`].
    pub(super) async fn compare(&self, task: SearchTask) -> Result<Report, CoverageError> {
        let Some(context) = &self.search else { return NotConfiguredSnafu.fail() };
        // Its events go where the command wants them.
        if let Some(SearchTask { from, through, .. }) = self.task {
            return BusySnafu { from, through }.fail();
        }
        for (tenant, _) in self.own_tenants(&Selection { tenant: task.tenant, content_types: Vec::new() })? {
            request(context, tenant, task).await?;
        }
        self.coverage((task.from, task.through), task.tenant).await
    }
}
