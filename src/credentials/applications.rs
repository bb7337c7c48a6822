//! Which application and credential each tenant of a source has.

use std::sync::Arc;

use super::ConfiguredCredential;
use crate::{
    config::Office365Config,
    content::TenantId,
    entra::{Application, Applications},
};

/// Every credential of a source. Clones share what they keep, so that a store of secrets is asked once for all.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// That of the source.
    pub own: ConfiguredCredential,
    /// Those of tenants that have one.
    pub of_tenants: Vec<(TenantId, ConfiguredCredential)>,
}

impl Credentials {
    /// The credentials of the source at `path`, such as `sources.m365`. Reads nothing yet.
    pub fn new(config: &Office365Config, path: &str) -> Self {
        let of_tenants = config.tenants.iter().enumerate().filter_map(|(index, tenant)| {
            let key = format!("{path}.tenants[{index}].auth");
            Some((tenant.id, ConfiguredCredential::new(tenant.auth.as_ref()?, key)))
        });
        Self { own: ConfiguredCredential::new(&config.auth, format!("{path}.auth")), of_tenants: of_tenants.collect() }
    }

    /// All of them, each with the tenant that it is for; `None` for those that have none of their own.
    pub fn iter(&self) -> impl Iterator<Item = (Option<TenantId>, &ConfiguredCredential)> {
        let of_tenants = self.of_tenants.iter().map(|(tenant, credential)| (Some(*tenant), credential));
        std::iter::once((None, &self.own)).chain(of_tenants)
    }

    /// That of a tenant.
    pub fn of(&self, tenant: TenantId) -> &ConfiguredCredential {
        let own = self.of_tenants.iter().find(|(id, _)| *id == tenant);
        own.map_or(&self.own, |(_, credential)| credential)
    }

    /// The applications that ask for tokens with them.
    pub(crate) fn applications(&self) -> Applications {
        let application = |credential: &ConfiguredCredential| Application {
            client_id: credential.application_id().map(|id| id.to_string()).unwrap_or_default(),
            credential: Arc::new(credential.clone()),
        };
        let of_tenants = self.of_tenants.iter().map(|(tenant, credential)| (*tenant, application(credential)));
        Applications { default: application(&self.own), of_tenants: of_tenants.collect() }
    }
}
