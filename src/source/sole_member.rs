//! A source that has all its tenants for itself: in builds without NATS.

use std::future::pending;

use super::state::State;
use crate::{
    RunMode, activity::ActivityClient, audit_search::SearchTask, ledger::LedgerError, telemetry::Progress,
    tenants::Tenants, wake_up::WakeUp,
};

/// Shares nothing, in the place of what does in builds with NATS.
pub(super) struct Membership;

#[expect(clippy::unused_async, clippy::unused_self, reason = "the other one of this name needs both")]
impl Membership {
    pub const fn of(_: &State, _: &ActivityClient, _: &Tenants, _: &Progress, _: &WakeUp, _: RunMode) -> Self {
        Self
    }

    pub fn own(&self, all: &Tenants) -> Tenants {
        all.clone()
    }

    pub async fn begin(&self, _: Option<SearchTask>) -> crate::Result<()> {
        Ok(())
    }

    pub async fn run(&self) -> Result<(), LedgerError> {
        pending().await
    }

    pub async fn leave(&self) {}
}
