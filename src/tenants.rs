//! Whose audit logs are collected: the tenants of the configuration, and those that registered since.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    config::TenantConfig,
    content::{ContentType, Feed, TenantId},
    ledger::TenantRecord,
};

/// One tenant that is collected.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tenant {
    /// Its display name; becomes `meta.src.host` of its events.
    pub domain: Option<Arc<str>>,
    /// Whether it stands in the configuration, where alone it can be taken out.
    pub configured: bool,
    /// Whether the configuration names its domain, which then cannot be set otherwise.
    pub domain_configured: bool,
}

/// The tenants that are collected now. Clones share one state, which can be watched.
#[derive(Clone, Debug)]
pub struct Tenants(Arc<watch::Sender<BTreeMap<TenantId, Tenant>>>);

impl Tenants {
    /// The tenants of a configuration and of the ledger's records. The configuration takes precedence.
    pub fn new(configured: &[TenantConfig], records: &[TenantRecord]) -> Self {
        let mut tenants: BTreeMap<_, _> = configured
            .iter()
            .map(|tenant| {
                let domain: Option<Arc<str>> = tenant.domain.as_deref().map(Into::into);
                let domain_configured = domain.is_some();
                (tenant.id, Tenant { domain, configured: true, domain_configured })
            })
            .collect();
        for record in records {
            merge(&mut tenants, record);
        }
        Self(Arc::new(watch::Sender::new(tenants)))
    }

    /// None, until others are set with [`replace`](Self::replace).
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// Collects these from now on, and no others.
    pub fn replace(&self, tenants: BTreeMap<TenantId, Tenant>) {
        self.0.send_if_modified(|current| {
            let differ = *current != tenants;
            *current = tenants;
            differ
        });
    }

    /// Those of now, and then each change.
    pub fn watch(&self) -> watch::Receiver<BTreeMap<TenantId, Tenant>> {
        self.0.subscribe()
    }

    /// One of them.
    pub fn get(&self, id: TenantId) -> Option<Tenant> {
        self.0.borrow().get(&id).cloned()
    }

    /// Whether a tenant is collected.
    pub fn contains(&self, id: TenantId) -> bool {
        self.0.borrow().contains_key(&id)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<TenantId, Tenant> {
        self.0.borrow().clone()
    }

    /// The domain of a tenant.
    pub fn domain(&self, id: TenantId) -> Option<Arc<str>> {
        self.0.borrow().get(&id)?.domain.clone()
    }

    /// Takes over what the ledger now says about a tenant.
    pub fn apply(&self, record: &TenantRecord) {
        self.0.send_if_modified(|tenants| {
            let before = tenants.get(&record.id).cloned();
            merge(tenants, record);
            tenants.get(&record.id) != before.as_ref()
        });
    }

    /// Stops collecting a tenant, unless the configuration names it.
    pub fn remove(&self, id: TenantId) {
        self.0.send_modify(|tenants| {
            if tenants.get(&id).is_some_and(|tenant| !tenant.configured) {
                tenants.remove(&id);
            }
        });
    }

    /// Every feed of these content types.
    pub fn feeds(&self, content_types: &[ContentType]) -> BTreeSet<Feed> {
        let tenants = self.0.borrow();
        let of = |tenant: &TenantId| {
            let tenant = *tenant;
            content_types.iter().map(move |content_type| Feed { tenant, content_type: *content_type })
        };
        tenants.keys().flat_map(of).collect()
    }
}

fn merge(tenants: &mut BTreeMap<TenantId, Tenant>, record: &TenantRecord) {
    // A record without registration only holds the domain of a tenant that stood in the configuration when it was set.
    if record.registered.is_none() && !tenants.contains_key(&record.id) {
        return;
    }
    let tenant = tenants.entry(record.id).or_default();
    if !tenant.domain_configured {
        tenant.domain = record.domain.as_deref().map(Into::into);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    fn record(number: u128, domain: &str, registered: bool) -> TenantRecord {
        let registered = registered.then_some(DateTime::UNIX_EPOCH);
        TenantRecord { id: id(number), domain: Some(domain.to_owned()), registered }
    }

    #[test]
    fn the_configuration_goes_before_the_ledger() {
        let configured = [
            TenantConfig { id: id(1), domain: Some("file.example".to_owned()), auth: None },
            TenantConfig { id: id(2), domain: None, auth: None },
        ];
        let records =
            [record(1, "set.example", true), record(2, "two.example", false), record(3, "three.example", true)];
        let tenants = Tenants::new(&configured, &records);
        let domains: Vec<_> = (1..=3).map(|number| tenants.domain(id(number)).unwrap().to_string()).collect();
        assert_eq!(domains, ["file.example", "two.example", "three.example"]);

        tenants.remove(id(1));
        tenants.remove(id(3));
        assert!(tenants.contains(id(1)) && !tenants.contains(id(3)), "the file's tenants leave with the file");
        tenants.apply(&record(4, "four.example", false));
        assert_eq!(tenants.len(), 2, "a domain alone makes no tenant");
        assert_eq!(tenants.feeds(&[ContentType::Exchange, ContentType::Dlp]).len(), 4);
    }
}
