//! A query, and what becomes of it as time passes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{GraphConfig, GraphFaults, auth::Scope, wanted::Search};
use crate::{
    content::TenantId,
    simulator::{dice::Dice, occurrences::Occurrence, timeline::span},
};

/// How far a query is (GRAPH, `auditLogQueryStatus`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    NotStarted,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "notStarted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the query takes one of the places of those that are queued or running.
    pub fn is_active(self) -> bool {
        matches!(self, Self::NotStarted | Self::Running)
    }
}

/// A query that was created.
#[derive(Clone)]
pub(super) struct Query {
    pub id: Uuid,
    pub tenant: TenantId,
    /// Queries are numbered in the order of their creation.
    pub serial: u64,
    pub created: DateTime<Utc>,
    pub search: Arc<Search>,
    /// What its creator could see.
    pub scope: Scope,
    course: Course,
    /// What it has found, once that was asked for.
    pub found: Option<Arc<Found>>,
    /// How often its records were read from the first page on.
    pub passes: u64,
}

/// What a query has found. Records are written when a page shows them.
pub(super) struct Found {
    pub occurrences: Vec<Occurrence>,
    /// Whether there was more than one query may find.
    pub is_cut: bool,
}

/// What becomes of a query, decided when it is created.
#[derive(Clone, Copy, Debug)]
struct Course {
    runs_from: DateTime<Utc>,
    /// `None`: it runs for ever.
    ends: Option<DateTime<Utc>>,
    ends_as: Status,
}

impl Course {
    fn draw(dice: Dice, config: &GraphConfig, faults: &GraphFaults, created: DateTime<Utc>) -> Self {
        let runs_from = created + span(dice.of("queued", 0).duration(&config.queued));
        let extra = faults.slow.as_ref().filter(|slow| dice.of("slow", 0).chance(slow.share));
        let extra = extra.map(|slow| dice.of("slow", 1).duration(&slow.by)).unwrap_or_default();
        let running = span(dice.of("running", 0).duration(&config.running).saturating_add(extra));
        let is_stuck = dice.of("stuck", 0).chance(faults.stuck_rate);
        let ends = runs_from.checked_add_signed(running).filter(|_| !is_stuck);
        let ends_as = if dice.of("failed", 0).chance(faults.failed_rate) {
            Status::Failed
        } else if dice.of("cancelled", 0).chance(faults.cancelled_rate) {
            Status::Cancelled
        } else {
            Status::Succeeded
        };
        Self { runs_from, ends, ends_as }
    }
}

impl Query {
    pub fn new(
        dice: Dice,
        serial: u64,
        (config, faults): (&GraphConfig, &GraphFaults),
        tenant: TenantId,
        (search, scope): (Search, Scope),
        created: DateTime<Utc>,
    ) -> Self {
        let dice = dice.of("query", serial);
        Self {
            id: dice.of("id", 0).uuid(),
            tenant,
            serial,
            created,
            search: Arc::new(search),
            scope,
            course: Course::draw(dice, config, faults, created),
            found: None,
            passes: 0,
        }
    }

    pub fn status(&self, now: DateTime<Utc>) -> Status {
        let Course { runs_from, ends, ends_as } = self.course;
        match ends {
            Some(ends) if ends <= now => ends_as,
            _ if runs_from <= now => Status::Running,
            _ => Status::NotStarted,
        }
    }

    /// The time as of which events are found, once it has succeeded.
    pub fn succeeded(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.course.ends.filter(|_| self.status(now) == Status::Succeeded)
    }

    pub fn to_json(&self, now: DateTime<Utc>) -> Value {
        let mut json = self.search.to_json();
        json["id"] = self.id.to_string().into();
        json["status"] = self.status(now).as_str().into();
        json["isRecordCountLimitExceeded"] = json!(self.found.as_ref().is_some_and(|found| found.is_cut));
        json
    }
}
