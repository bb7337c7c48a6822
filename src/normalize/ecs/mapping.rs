//! A record on its way to an ECS document.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::document::Document;
use crate::normalize::{GeoipDatabases, audit::Audit, user_agent::UserAgents, user_id::UserId};

/// What a mapping works on.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    /// What is left of the record.
    pub(super) record: Audit<'a>,
    /// What was made of it.
    pub(super) fields: Document<'a>,
    /// The name of the record type; empty if it is not known.
    pub(super) code: &'static str,
    /// `Operation`, as Microsoft names it; empty without one.
    pub(super) operation: Cow<'a, str>,
    /// To whom it was done.
    pub(super) targets: Vec<UserId<'a>>,
    /// All addresses from which it was done.
    pub(super) addresses: Vec<String>,
    /// The tenant's domain.
    pub(super) domain: Option<&'a str>,
    /// What reads user agents.
    pub(super) user_agents: Option<&'a UserAgents>,
    /// Where addresses are.
    pub(super) geoip: Option<&'a GeoipDatabases>,
    /// The event's time, once it is known.
    pub(super) time: Option<DateTime<Utc>>,
}

impl Mapping<'_> {
    /// Whether the record type is one of these.
    pub(super) fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code)
    }
}
