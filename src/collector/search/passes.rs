//! The records of a query, pass after pass, each once.
//!
//! The same finished query has been paged twice with different counts (docs/graph-behaviour.md). So it is paged until two passes agree,
//! or, when they do not, for as often as is reasonable, and every record of any pass counts.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    mem,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, stream::try_unfold};
use tokio::time::sleep;

use super::{
    classic::classic_record,
    record_types::{Names, NamesTold},
};
use crate::{
    backoff::Backoff,
    collector::telemetry,
    content::TenantId,
    graph::{
        AuditLogRecord, GraphClient, GraphError, GraphFailure, GraphOperation, PageDigest, PageOutline, RecordsAnswer,
        RecordsPage, RecordsPosition,
    },
    ledger::EventKey,
    telemetry::Progress,
};

/// How often a query is paged at most.
const MOST_PASSES: u8 = 4;

/// Between attempts at one page: a query of a million records has thousands, and must not begin anew because of one.
const ATTEMPTS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };
const MOST_ATTEMPTS: u32 = 8;

/// The records of a query as one JSON array, cut anywhere.
pub fn passes(
    client: GraphClient,
    tenant: TenantId,
    query: String,
    progress: Progress,
    told: NamesTold,
) -> impl Stream<Item = Result<Bytes, GraphError>> + Send + Unpin {
    let start = Passes {
        client,
        tenant,
        query,
        progress,
        position: Some(RecordsPosition::Beginning),
        pass: Pass { number: 1, ..Pass::default() },
        seen: HashMap::new(),
        pages: HashMap::new(),
        ready: BytesMut::from(&b"["[..]),
        is_first: true,
        has_ended: false,
        names: Names::new(told),
    };
    Box::pin(try_unfold(start, |mut passes| async move {
        loop {
            if !passes.ready.is_empty() {
                return Ok(Some((passes.ready.split().freeze(), passes)));
            }
            if passes.has_ended {
                return Ok(None);
            }
            passes.advance().await?;
        }
    }))
}

/// Where a reader of a query is.
struct Passes {
    client: GraphClient,
    tenant: TenantId,
    query: String,
    progress: Progress,
    /// The next page; `None` at the end of a pass.
    position: Option<RecordsPosition>,
    pass: Pass,
    /// Every record, and the last pass that had it. Half of a key is enough to tell a million records apart (a chance of one in
    /// 10^7 that two of them share it), and takes half of the memory.
    seen: HashMap<u64, u8>,
    /// Every page by its digest. As a rule the second pass brings the same pages again, and none of them need be read twice.
    pages: HashMap<PageDigest, Page>,
    /// Text that has been made and not been taken.
    ready: BytesMut,
    is_first: bool,
    has_ended: bool,
    names: Names,
}

/// What there was on a page.
#[derive(Debug)]
struct Page {
    /// The keys of its records, as in [`Passes::seen`].
    keys: Box<[u64]>,
    /// The last pass that had it, and the page behind it there.
    pass: u8,
    next: Option<RecordsPosition>,
}

/// A page as it comes.
enum Brought {
    /// One whose records are known.
    Known(PageOutline),
    New(RecordsPage),
}

/// What one pass has brought.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    number: u8,
    /// Records that no pass had before.
    new: usize,
    /// Different records.
    records: usize,
}

impl Passes {
    /// Reads a page, or ends a pass.
    async fn advance(&mut self) -> Result<(), GraphError> {
        let Some(position) = &self.position else {
            self.end_pass();
            return Ok(());
        };
        let brought = self.page(position).await?;
        self.progress.step();
        let outline = match &brought {
            Brought::Known(outline) => outline,
            Brought::New(page) => &page.outline,
        };
        let (digest, next, number) = (outline.digest, outline.next(), self.pass.number);
        if let Some(page) = self.pages.get_mut(&digest) {
            if next.is_some() && (page.pass, &page.next) == (number, &next) {
                return Err(self.circle());
            }
            for key in &page.keys {
                let before = self.seen.insert(*key, number);
                self.pass.records += usize::from(before != Some(number));
            }
            (page.pass, page.next) = (number, next.clone());
        } else if let Brought::New(page) = brought {
            let keys = page.records.iter().map(|record| self.take(record)).collect();
            self.pages.insert(digest, Page { keys, pass: number, next: next.clone() });
        }
        self.position = next;
        Ok(())
    }

    fn circle(&self) -> GraphError {
        let problem = "its pages lead in a circle".to_owned();
        let (operation, failure) = (GraphOperation::ListRecords, Box::new(GraphFailure::Malformed { problem }));
        GraphError { operation, tenant: self.tenant, failure }
    }

    async fn page(&self, position: &RecordsPosition) -> Result<Brought, GraphError> {
        let mut attempt = 1;
        loop {
            let answer = self.client.records(self.tenant, &self.query, position).await;
            match answer.and_then(|answer| self.look_at(answer)) {
                Err(error) if error.failure.may_pass() && attempt < MOST_ATTEMPTS => {
                    telemetry::search_page_retried(&error, attempt);
                    sleep(ATTEMPTS.wait(attempt)).await;
                    attempt += 1;
                }
                brought => return brought,
            }
        }
    }

    /// Only from the second pass on are there pages that may come again.
    fn look_at(&self, answer: RecordsAnswer) -> Result<Brought, GraphError> {
        if self.pass.number > 1
            && let Some(outline) = answer.outline()
            && self.pages.contains_key(&outline.digest)
        {
            return Ok(Brought::Known(outline));
        }
        Ok(Brought::New(answer.parse()?))
    }

    /// Takes a record. Returns its key.
    fn take(&mut self, record: &AuditLogRecord) -> u64 {
        let id = record
            .id
            .as_deref()
            .map_or_else(|| String::from_utf8_lossy(record.text.as_deref().unwrap_or_default()), Cow::Borrowed);
        let key = EventKey::new(self.tenant, &id).half();
        let number = self.pass.number;
        match self.seen.entry(key) {
            Entry::Occupied(mut entry) => {
                let before = entry.insert(number);
                self.pass.records += usize::from(before != number);
            }
            Entry::Vacant(entry) => {
                entry.insert(number);
                self.pass.records += 1;
                self.pass.new += 1;
                match classic_record(record) {
                    Some(text) => {
                        if let Some(name) = &record.record_type {
                            self.names.look(name, &text);
                        }
                        if !mem::replace(&mut self.is_first, false) {
                            self.ready.extend_from_slice(b",");
                        }
                        self.ready.extend_from_slice(&text);
                    }
                    None => telemetry::search_record_unusable(self.tenant, &self.query),
                }
            }
        }
        key
    }

    fn end_pass(&mut self) {
        let pass = self.pass;
        let agrees = pass.new == 0 && pass.records == self.seen.len();
        if pass.number > 1 && !agrees {
            telemetry::passes_disagree(self.tenant, &self.query, pass.number, pass.records, self.seen.len());
        }
        if agrees || pass.number == MOST_PASSES {
            self.ready.extend_from_slice(b"]");
            self.has_ended = true;
        } else {
            self.pass = Pass { number: pass.number + 1, ..Pass::default() };
            self.position = Some(RecordsPosition::Beginning);
        }
    }
}
