//! What the cluster reports.

use metrics::gauge;
use tracing::{info, warn};

use crate::{content::TenantId, ledger::LedgerError};

/// How many members there are, and how many tenants this one works on.
#[expect(clippy::cast_precision_loss, reason = "neither comes near 2^52")]
pub(super) fn shares(members: usize, tenants: usize) {
    gauge!("office365_cluster_members").set(members as f64);
    gauge!("office365_cluster_tenants").set(tenants as f64);
}

pub(super) fn members_changed(members: usize) {
    info!(message = "The members of the cluster have changed.", members);
}

pub(super) fn took(tenant: TenantId, from: Option<&str>) {
    info!(message = "This member collects a tenant now.", tenant_id = %tenant, from = from.unwrap_or("nobody"));
}

pub(super) fn waits(tenant: TenantId, host: &str) {
    warn!(
        message = "A tenant that this member should collect is still another's: a collector's that ends what it has begun, or a command's that \
                   takes long. Look what runs on that machine.",
        tenant_id = %tenant, host,
    );
}

pub(super) fn gave_back(tenant: TenantId) {
    info!(message = "This member no longer collects a tenant.", tenant_id = %tenant);
}

pub(super) fn disagreement(problem: &str) {
    warn!(message = "The collectors of this cluster do not know the same tenants.", problem);
}

pub(super) fn lease_ran_out() {
    warn!(
        message = "NATS has not renewed the lease of this member in time. It begins nothing until it does; other members take over its \
                   tenants.",
    );
}

pub(super) fn failed(task: &'static str, error: &LedgerError) {
    warn!(message = "The cluster's state cannot be used now; it is tried again.", task, %error);
}
