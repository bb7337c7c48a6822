//! What a query finds.

use std::{cmp::Reverse, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    query::{Found, Query},
    record::Classic,
};
use crate::simulator::{SimulatorConfig, dice::Dice, occurrences::Occurrence, state::Service, timeline::span};

/// What a query that has succeeded has found. It is looked for once and kept with the query.
pub(super) fn found(service: &Service, id: Uuid, now: DateTime<Utc>) -> Option<Arc<Found>> {
    let query = service.state().graph.queries.get(&id).cloned()?;
    if query.found.is_some() {
        return query.found;
    }
    let as_of = query.succeeded(now)?;
    // Without the lock: a large search takes a while, and it comes to the same whoever does it.
    let found = Arc::new(look(service, &query, as_of));
    if let Some(query) = service.state().graph.queries.get_mut(&id) {
        query.found = Some(Arc::clone(&found));
    }
    Some(found)
}

fn look(service: &Service, query: &Query, as_of: DateTime<Utc>) -> Found {
    let config = &service.config;
    let reached = as_of.checked_sub_signed(span(config.graph.reaches_back)).unwrap_or(query.search.start);
    let range = query.search.start.max(reached)..query.search.end;
    let mut occurrences = service.world.occurrences(query.tenant, range, as_of);
    occurrences.retain(|occurrence| is_shown(service, query, occurrence));
    let is_cut = occurrences.len() > config.graph.record_limit;
    occurrences.truncate(config.graph.record_limit);
    // The newest are kept, as they come first.
    debug_assert!(occurrences.is_sorted_by_key(|occurrence| Reverse(occurrence.at)));
    Found { occurrences, is_cut }
}

fn is_shown(service: &Service, query: &Query, occurrence: &Occurrence) -> bool {
    let config = &service.config;
    let is_lacking = || service.world.id(occurrence).is_some_and(|id| is_lacking(config, &id));
    if config.faults.graph.lacking > 0.0 && is_lacking() {
        return false;
    }
    // Only what is filtered has to be written for it.
    if query.search.has_no_filter() && query.scope.shows("") {
        return true;
    }
    let text = service.world.record(occurrence).unwrap_or_default();
    let record = Classic::read(&text);
    query.scope.shows(&record.workload) && query.search.finds(&record, &text)
}

/// Whether the search never shows an event. Follows from its id, so that every query lacks the same ones.
pub(in crate::simulator) fn is_lacking(config: &SimulatorConfig, id: &str) -> bool {
    Dice::new(config.seed).of("lacking", 0).of(id, 0).chance(config.faults.graph.lacking)
}
