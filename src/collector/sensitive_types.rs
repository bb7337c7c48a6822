//! The names of the sensitive information types of each tenant, read when its first content of data loss prevention comes and
//! once a day after that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tracing::Instrument;

use super::telemetry;
use crate::{
    activity::{ActivityClient, ActivityError},
    backoff::Backoff,
    content::TenantId,
    normalize::SensitiveTypes,
    tenants::Tenants,
};

/// How long the first content of a tenant waits for the names.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest time between two readings of the names. It is shortened at random, so that tenants are not read all at
/// once.
const DAY: Duration = Duration::from_hours(24);

/// Between attempts to read the names, which only make events better.
const FAILURES: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_hours(1) };

/// Reads the names and keeps them. What it has begun ends when it is dropped.
#[derive(Debug)]
pub struct SensitiveTypesReader {
    client: ActivityClient,
    tenants: Tenants,
    books: Mutex<HashMap<TenantId, Book>>,
}

/// The names of one tenant.
#[derive(Debug)]
struct Book {
    /// `None` until they have been read once.
    names: watch::Receiver<Option<Arc<SensitiveTypes>>>,
    /// Until when content waits for that.
    deadline: Instant,
    /// Reads them; aborted when dropped.
    _reading: JoinSet<()>,
}

impl SensitiveTypesReader {
    /// A reader for these tenants. It asks for nothing until it is asked.
    pub fn new(client: ActivityClient, tenants: Tenants) -> Self {
        Self { client, tenants, books: Mutex::default() }
    }

    /// The names of a tenant. The first caller has them read and waits, and so do callers within some seconds of that.
    /// Later callers get what is known, which may be nothing.
    pub async fn of(&self, tenant: TenantId) -> Option<Arc<SensitiveTypes>> {
        let (mut names, deadline) = self.book(tenant)?;
        // Also when the names are no longer read, because the tenant was removed.
        let read = timeout_at(deadline, names.wait_for(Option::is_some)).await;
        drop(read);
        let known = names.borrow();
        known.clone()
    }

    /// A tenant's book; `None` for a tenant that is not collected.
    fn book(&self, tenant: TenantId) -> Option<(watch::Receiver<Option<Arc<SensitiveTypes>>>, Instant)> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed book is one of a tenant that had left when its names should have been read again, and may have come back.
        if books.get(&tenant).is_none_or(|book| book.names.has_changed().is_err()) {
            books.remove(&tenant);
            books.retain(|tenant, _| self.tenants.contains(*tenant));
            if !self.tenants.contains(tenant) {
                return None;
            }
        }
        let book = books.entry(tenant).or_insert_with(|| {
            let (sender, names) = watch::channel(None);
            let mut reading = JoinSet::new();
            reading.spawn(read(self.client.clone(), self.tenants.clone(), tenant, sender).in_current_span());
            Book { names, deadline: Instant::now() + PATIENCE, _reading: reading }
        });
        Some((book.names.clone(), book.deadline))
    }
}

/// Reads the names of a tenant day by day, as long as it is collected.
async fn read(
    client: ActivityClient,
    tenants: Tenants,
    tenant: TenantId,
    names: watch::Sender<Option<Arc<SensitiveTypes>>>,
) {
    let mut failures = 0;
    while tenants.contains(tenant) {
        let wait = match client.list_sensitive_types(tenant).await {
            Ok(types) => {
                telemetry::sensitive_types_read(tenant, types.len(), failures > 0);
                failures = 0;
                let types = SensitiveTypes::new(types.iter().map(|known| (known.id.as_str(), known.name.as_str())));
                // Every tenant has Microsoft's own types: an answer without any takes no name away.
                names.send_modify(|known| {
                    if known.is_none() || !types.is_empty() {
                        *known = Some(Arc::new(types));
                    }
                });
                DAY.mul_f64(rand::rng().random_range(0.9..1.0))
            }
            Err(error) => {
                failures += 1;
                told(&error, failures)
            }
        };
        sleep(wait).await;
    }
    // The names of a removed tenant are not needed, even if its book is still there.
    names.send_replace(None);
}

/// Reports a failure; returns how long to wait.
fn told(error: &ActivityError, failures: u32) -> Duration {
    let wait = FAILURES.wait(failures);
    telemetry::sensitive_types_failed(error, failures == 1, wait);
    wait
}
