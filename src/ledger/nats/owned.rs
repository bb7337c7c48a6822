//! Which tenants this member works on, and the fences of what it writes about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, time::Instant};
use tracing::warn;

use super::{bucket::Fence, subject};
use crate::content::TenantId;

/// The tenants of this member. Clones share one state.
///
/// A member takes a tenant by writing the tenant's owner row. Each of its later writes requires that this message is still the newest
/// of that row, so that a member that was suspended, or cut off, changes nothing once another has taken the tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    tenants: Mutex<BTreeMap<TenantId, Tenure>>,
    /// The tenants that were lost, until somebody sees to them.
    lost: watch::Sender<BTreeSet<TenantId>>,
    /// Until when others count this member as there.
    leased_until: Mutex<Option<Instant>>,
}

/// What made a tenant this member's.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    /// The revision of the owner row.
    revision: u64,
    /// Whether it has been the newest one since the lease was renewed without a gap.
    is_sure: bool,
}

impl Owned {
    /// What must hold for a write about a tenant. `None` when it is another's, or nobody's.
    pub fn fence(&self, tenant: TenantId) -> Option<Fence> {
        let revision = self.revision(tenant)?;
        Some(Fence { subject: subject::owner(tenant), revision })
    }

    /// The revision of the owner row that made a tenant this member's.
    pub fn revision(&self, tenant: TenantId) -> Option<u64> {
        self.tenants().get(&tenant).map(|tenure| tenure.revision)
    }

    /// All of them.
    pub fn all(&self) -> Vec<TenantId> {
        self.tenants().keys().copied().collect()
    }

    /// Notes that a tenant is this member's.
    pub fn insert(&self, tenant: TenantId, revision: u64) {
        self.tenants().insert(tenant, Tenure { revision, is_sure: true });
    }

    /// Notes that a tenant is no longer this member's, because it was given back.
    pub fn remove(&self, tenant: TenantId) {
        self.tenants().remove(&tenant);
    }

    /// Notes that another has taken a tenant that was this member's by this revision.
    pub fn lose(&self, tenant: TenantId, revision: u64) {
        let mut tenants = self.tenants();
        if tenants.get(&tenant).is_some_and(|tenure| tenure.revision == revision) {
            tenants.remove(&tenant);
            drop(tenants);
            warn!(message = "Another member has taken a tenant.", tenant_id = %tenant);
            self.0.lost.send_modify(|lost| lost.extend([tenant]));
        }
    }

    /// Notes until when others count this member as there. After a gap, any tenant may be another's.
    pub fn renew(&self, until: Instant) {
        let mut leased_until = self.0.leased_until.lock().unwrap_or_else(PoisonError::into_inner);
        let has_gap = leased_until.replace(until).is_none_or(|before| before <= Instant::now());
        if has_gap {
            self.tenants().values_mut().for_each(|tenure| tenure.is_sure = false);
        }
    }

    /// The tenants of which it is not known whether another has taken them in a gap.
    pub fn unsure(&self) -> Vec<(TenantId, u64)> {
        let tenants = self.tenants();
        tenants
            .iter()
            .filter(|(_, tenure)| !tenure.is_sure)
            .map(|(tenant, tenure)| (*tenant, tenure.revision))
            .collect()
    }

    /// Notes that nobody has taken a tenant in a gap.
    pub fn confirm(&self, tenant: TenantId) {
        if let Some(tenure) = self.tenants().get_mut(&tenant) {
            tenure.is_sure = true;
        }
    }

    /// Until when others count this member as there. The past, before it has said so.
    pub fn leased_until(&self) -> Instant {
        self.0.leased_until.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
    }

    /// Whether this member may begin something with a tenant.
    pub fn may_begin(&self, tenant: TenantId) -> bool {
        let is_sure = self.tenants().get(&tenant).is_some_and(|tenure| tenure.is_sure);
        is_sure && Instant::now() < self.leased_until()
    }

    /// Changes whenever a tenant is lost.
    pub fn lost(&self) -> watch::Receiver<BTreeSet<TenantId>> {
        self.0.lost.subscribe()
    }

    /// The tenants that were lost since this was asked last, and are not this member's again.
    pub fn take_lost(&self) -> BTreeSet<TenantId> {
        let mut taken = BTreeSet::new();
        self.0.lost.send_if_modified(|lost| {
            taken = std::mem::take(lost);
            false
        });
        taken.retain(|tenant| self.revision(*tenant).is_none());
        taken
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantId, Tenure>> {
        // Nothing panics while it is locked.
        self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
