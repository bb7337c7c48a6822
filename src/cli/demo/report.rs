//! The table at the end.

use std::fmt;

#[cfg(unix)]
use super::holes::Proof;
use crate::{
    content::{ContentType, Feed},
    simulator::{Simulator, SimulatorConfig, Stats},
    telemetry::Totals,
};

/// What the demo came to.
pub(super) struct Report {
    rows: Vec<(&'static str, String)>,
    flawless: bool,
}

impl Report {
    pub(super) fn new(
        config: &SimulatorConfig,
        simulator: &Simulator,
        totals: Totals,
        stats: &Stats,
        notifications_lost: Option<u64>,
        missing: usize,
        twice: usize,
    ) -> Self {
        let oracle = simulator.oracle();
        let feeds = |content_type: ContentType| {
            config
                .tenants
                .iter()
                .map(|tenant| oracle.counts(Feed { tenant: tenant.id, content_type }).blobs)
                .sum::<u64>()
        };
        let with_content = ContentType::ALL.into_iter().filter(|content_type| feeds(*content_type) > 0).count();
        let mut rows = vec![
            ("tenants", config.tenants.len().to_string()),
            ("content types", with_content.to_string()),
            ("content blobs", totals.blobs_delivered.to_string()),
            ("events", totals.events_delivered.to_string()),
            ("duplicates dropped", totals.duplicates_dropped.to_string()),
            ("faults of the service", stats.faults.to_string()),
        ];
        if let Some(lost) = notifications_lost {
            rows.push(("webhooks validated", stats.validations.to_string()));
            rows.push(("notifications accepted", (stats.notifications_sent - stats.notifications_failed).to_string()));
            rows.push(("notifications lost", lost.to_string()));
        }
        rows.push(("delivered twice", twice.to_string()));
        rows.push(("missing", missing.to_string()));
        Self { rows, flawless: missing == 0 && twice == 0 && totals.blobs_dead == 0 && stats.violations.is_empty() }
    }

    /// Rows of names and numbers, and whether all is as it should be.
    #[cfg(all(unix, feature = "nats"))]
    pub(super) fn of(rows: Vec<(&'static str, String)>, flawless: bool) -> Self {
        Self { rows, flawless }
    }

    /// With what came of the holes in what is listed.
    #[cfg(unix)]
    pub(super) fn with_proof(mut self, proof: Option<&Proof>) -> Self {
        if let Some(Proof { made, found, healed, proved, is_complete }) = proof {
            self.rows.push(("never listed by Microsoft", made.to_string()));
            self.rows.push(("found by the audit search", found.to_string()));
            self.rows.push(("healed", healed.to_string()));
            self.rows.push(("proved complete", format!("{proved} %")));
            self.flawless &= is_complete;
        }
        self
    }

    pub(super) fn is_flawless(&self) -> bool {
        self.flawless
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in &self.rows {
            writeln!(f, "{name:width$}  {value:>8}")?;
        }
        Ok(())
    }
}
