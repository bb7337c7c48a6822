//! The records of a query, pass after pass, each once.
//!
//! The same finished query has been paged twice with different counts (docs/graph-behaviour.md). So it is paged until two passes agree,
//! or, when they do not, for as often as is reasonable, and every record of any pass counts.

use std::{
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
    graph::{AuditLogRecord, GraphClient, GraphError, RecordsPage, RecordsPosition},
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
    /// Text that has been made and not been taken.
    ready: BytesMut,
    is_first: bool,
    has_ended: bool,
    names: Names,
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
        let page = self.page(position).await?;
        self.progress.step();
        self.position = page.next();
        for record in &page.records {
            self.take(record);
        }
        Ok(())
    }

    async fn page(&self, position: &RecordsPosition) -> Result<RecordsPage, GraphError> {
        let mut attempt = 1;
        loop {
            match self.client.records(self.tenant, &self.query, position).await {
                Err(error) if error.failure.may_pass() && attempt < MOST_ATTEMPTS => {
                    telemetry::search_page_retried(&error, attempt);
                    sleep(ATTEMPTS.wait(attempt)).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    fn take(&mut self, record: &AuditLogRecord) {
        let key = match &record.id {
            Some(id) => EventKey::new(self.tenant, id),
            None => EventKey::new(self.tenant, &String::from_utf8_lossy(&record.text)),
        };
        let number = self.pass.number;
        match self.seen.entry(key.half()) {
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
