//! The records of a query, pass after pass, each once.
//!
//! The same finished query has been paged twice with different counts (docs/graph-behaviour.md). So it is paged until two passes agree,
//! or, when they do not, for as often as is reasonable, and every record of any pass counts. The second pass asks for ids alone: as a rule
//! it agrees with the first.

use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{Hash, Hasher},
    mem,
    ops::Range,
    time::Duration,
};

use bytes::BytesMut;
use tokio::time::sleep;

use super::{
    classic::classic_record,
    record_types::{Names, NamesTold},
};
use crate::{
    backoff::Backoff,
    collector::{body::Body, telemetry},
    content::TenantId,
    graph::{AuditLogRecord, GraphClient, GraphError, GraphFailure, GraphOperation, RecordsPosition},
    ledger::EventKey,
    telemetry::Progress,
};

/// How often a query is paged at most.
const MOST_PASSES: u8 = 4;

/// Between attempts at one page: a query of a million records has thousands, and must not begin anew because of one.
const ATTEMPTS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };
const MOST_ATTEMPTS: u32 = 8;

/// Stands for a record without an id. What has none is counted, and discarded, where events are made.
const NAMELESS: &[u8] = b"{}";

/// Reads the records of a query.
pub struct Passes {
    client: GraphClient,
    tenant: TenantId,
    query: String,
    progress: Progress,
    pass: Pass,
    /// The next page; `None` at the end of a pass.
    position: Option<RecordsPosition>,
    /// The pages that this pass has named.
    links: HashSet<RecordsPosition>,
    /// Every record.
    seen: HashSet<Seen>,
    /// Records of which only the id has come.
    unread: HashSet<u64>,
    /// Records that have not been taken: their texts, one behind the other, and where each is.
    text: BytesMut,
    places: Vec<Range<usize>>,
    has_ended: bool,
    names: Names,
}

/// A record that has come, and the last pass that had it: 62 bits of its key, and 2 of the pass. That is enough to tell a million
/// records apart (a chance of one in 10^7 that two of them share a key), and a set of them takes half of the memory of a map.
#[derive(Clone, Copy, Debug)]
struct Seen(u64);

impl Seen {
    const PASS: u64 = 0b11;

    fn new(key: u64, pass: u8) -> Self {
        Self((key & !Self::PASS) | (u64::from(pass) & Self::PASS))
    }

    const fn key(self) -> u64 {
        self.0 & !Self::PASS
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Seen {}

impl Hash for Seen {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// What one pass has brought.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    number: u8,
    /// Whether it asks for ids alone.
    is_of_ids: bool,
    /// Records that no pass had before.
    new: usize,
    /// Different records that were read.
    records: usize,
}

impl Passes {
    /// A reader of a finished query.
    pub fn new(client: GraphClient, tenant: TenantId, query: String, progress: Progress, told: NamesTold) -> Self {
        Self {
            client,
            tenant,
            query,
            progress,
            position: Some(RecordsPosition::Beginning),
            pass: Pass { number: 1, ..Pass::default() },
            links: HashSet::new(),
            seen: HashSet::new(),
            unread: HashSet::new(),
            text: BytesMut::new(),
            places: Vec::new(),
            has_ended: false,
            names: Names::new(told),
        }
    }

    /// The next records that have not come before, as classic records. `None` after the last ones.
    ///
    /// # Errors
    ///
    /// When Microsoft Graph does not serve them.
    pub async fn next(&mut self) -> Result<Option<Body>, GraphError> {
        while self.places.is_empty() {
            if self.has_ended {
                return Ok(None);
            }
            self.advance().await?;
        }
        Ok(Some(Body::of_records(self.text.split().freeze(), &mem::take(&mut self.places))))
    }

    /// Reads a page, or ends a pass.
    async fn advance(&mut self) -> Result<(), GraphError> {
        let Some(position) = &self.position else { return self.end_pass() };
        let (client, tenant, query) = (&self.client, self.tenant, &self.query);
        let next = if self.pass.is_of_ids {
            match retried(|| client.record_ids(tenant, query, position)).await {
                Ok(page) => {
                    page.ids.iter().for_each(|id| self.look_at(id.as_deref()));
                    page.next()
                }
                Err(error) if error.failure.concerns_the_tenant() => return Err(error),
                Err(_) => {
                    self.ask_for_records();
                    return Ok(());
                }
            }
        } else {
            let page = retried(|| client.records(tenant, query, position)).await?;
            page.records.iter().for_each(|record| self.take(record));
            page.next()
        };
        self.progress.step();
        if let Some(next) = &next
            && !self.links.insert(next.clone())
        {
            if !self.pass.is_of_ids {
                return Err(self.malformed("its pages lead in a circle".to_owned()));
            }
            self.ask_for_records();
            return Ok(());
        }
        self.position = next;
        Ok(())
    }

    /// Begins a pass anew that has asked for ids. That is to save time: whole records will do.
    fn ask_for_records(&mut self) {
        self.begin_pass(Pass { number: self.pass.number, ..Pass::default() });
    }

    fn begin_pass(&mut self, pass: Pass) {
        (self.pass, self.position) = (pass, Some(RecordsPosition::Beginning));
        self.links.clear();
    }

    /// Looks whether the record of an id has come before.
    fn look_at(&mut self, id: Option<&str>) {
        let number = self.pass.number;
        // One without an id is known by all that it has.
        let Some(id) = id else {
            self.pass.new += 1;
            return;
        };
        let key = EventKey::new(self.tenant, id).half();
        let seen = Seen::new(key, number);
        if self.seen.contains(&seen) {
            self.note(seen);
        } else {
            self.pass.new += usize::from(self.unread.insert(key));
        }
    }

    fn take(&mut self, record: &AuditLogRecord) {
        let id = record
            .id
            .as_deref()
            .map_or_else(|| String::from_utf8_lossy(record.text.as_deref().unwrap_or_default()), Cow::Borrowed);
        let key = EventKey::new(self.tenant, &id).half();
        if !self.note(Seen::new(key, self.pass.number)) {
            return;
        }
        self.unread.remove(&key);
        self.pass.new += 1;
        let text = classic_record(record);
        if let (Some(name), Some(text)) = (&record.record_type, &text) {
            self.names.look(name, text);
        }
        let start = self.text.len();
        self.text.extend_from_slice(text.as_deref().unwrap_or(NAMELESS));
        self.places.push(start..self.text.len());
    }

    /// Notes that this pass has a record. Returns whether it is the first one that has.
    fn note(&mut self, seen: Seen) -> bool {
        let before = self.seen.replace(seen);
        self.pass.records += usize::from(before.is_none_or(|before| before.0 != seen.0));
        before.is_none()
    }

    fn end_pass(&mut self) -> Result<(), GraphError> {
        let pass = self.pass;
        let is_another = pass.number > 1;
        let agrees = is_another && pass.new == 0 && pass.records == self.seen.len();
        if is_another && !agrees {
            telemetry::passes_disagree(self.tenant, &self.query, pass.number, pass.records, self.seen.len());
        }
        if !agrees && pass.number < MOST_PASSES {
            let is_of_ids = !is_another && self.client.selects_ids();
            self.begin_pass(Pass { number: pass.number + 1, is_of_ids, ..Pass::default() });
            return Ok(());
        }
        if !self.unread.is_empty() {
            return Err(self.malformed(format!("{} of its records are named and not shown", self.unread.len())));
        }
        self.has_ended = true;
        Ok(())
    }

    fn malformed(&self, problem: String) -> GraphError {
        let (operation, failure) = (GraphOperation::ListRecords, Box::new(GraphFailure::Malformed { problem }));
        GraphError { operation, tenant: self.tenant, failure }
    }
}

/// Asks for a page again, if that may help.
async fn retried<T, F: Future<Output = Result<T, GraphError>>>(ask: impl Fn() -> F) -> Result<T, GraphError> {
    let mut attempt = 1;
    loop {
        match ask().await {
            Err(error) if error.failure.may_pass() && attempt < MOST_ATTEMPTS => {
                telemetry::search_page_retried(&error, attempt);
                sleep(ATTEMPTS.wait(attempt)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}
