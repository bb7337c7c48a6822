//! The searchers of all tenants.

use std::{
    collections::{BTreeMap, HashMap},
    panic,
    time::Duration,
};

use futures::future::{pending, try_join_all};
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use super::searcher::{SearchContext, SearchTask, Searcher};
use crate::{component::ShutdownSignal, content::TenantId, ledger::LedgerError, tenants::Tenants};

/// Searchers do not begin all at once, but so long after each other; and not before the first listings have been made, unless
/// somebody asks.
const STAGGER: Duration = Duration::from_millis(200);
const AFTER_LISTINGS: Duration = Duration::from_secs(60);

/// Searches the audit logs of all tenants until shutdown; also of those that come later, and no longer of those that leave.
///
/// # Errors
///
/// When the ledger fails.
pub async fn search_until(
    context: SearchContext,
    tenants: &Tenants,
    shutdown: ShutdownSignal,
) -> Result<(), LedgerError> {
    let mut searchers = Searchers { context, tasks: JoinSet::new(), tenants: HashMap::new() };
    let mut watch = tenants.watch();
    tokio::pin!(shutdown);
    loop {
        let current = watch.borrow_and_update().clone();
        searchers.follow(&current);
        tokio::select! {
            // Whatever a pass is doing, it can be dropped: each step is durable before the next.
            _ = &mut shutdown => return Ok(()),
            error = searchers.failed() => return Err(error),
            // Never closed: `tenants` is in scope.
            _ = watch.changed() => {}
        }
    }
}

/// Compares the days of a task, once.
///
/// # Errors
///
/// When the ledger fails.
pub async fn search_once(
    context: SearchContext,
    tenants: &Tenants,
    task: SearchTask,
    shutdown: ShutdownSignal,
) -> Result<(), LedgerError> {
    let work = context.work.clone();
    let meant = tenants.all().into_keys();
    let meant = meant.filter(|tenant| task.tenant.is_none_or(|only| only == *tenant));
    let searches = meant.map(|tenant| Searcher::new(tenant, context.clone()).run_task(task));
    tokio::select! {
        _ = shutdown => {}
        ended = try_join_all(searches) => drop(ended?),
    }
    work.complete();
    Ok(())
}

/// The searchers that run.
struct Searchers {
    context: SearchContext,
    tasks: JoinSet<Result<(), LedgerError>>,
    tenants: HashMap<TenantId, AbortHandle>,
}

impl Searchers {
    /// Starts what is new and ends what is gone.
    fn follow<T>(&mut self, current: &BTreeMap<TenantId, T>) {
        self.tenants.retain(|tenant, task| {
            let stays = current.contains_key(tenant);
            if !stays {
                task.abort();
            }
            stays
        });
        let mut delay = AFTER_LISTINGS;
        for tenant in current.keys().copied() {
            if self.tenants.contains_key(&tenant) {
                continue;
            }
            let searcher = Searcher::new(tenant, self.context.clone());
            self.tenants.insert(tenant, self.tasks.spawn(searcher.run(delay).in_current_span()));
            delay += STAGGER;
        }
    }

    /// Waits until a searcher cannot go on.
    async fn failed(&mut self) -> LedgerError {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Err(error))) => return error,
                Some(Err(join)) if join.is_panic() => panic::resume_unwind(join.into_panic()),
                // Aborted, with its tenant.
                Some(_) => {}
                None => pending().await,
            }
        }
    }
}
