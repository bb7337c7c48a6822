//! Which application and credential each tenant of a source has.

use std::{collections::HashMap, sync::Arc};

use super::ConfiguredCredential;
use crate::{
    config::{AuthConfig, Office365Config},
    content::TenantId,
    entra::{Application, Applications},
};

/// Every credential of the source at `path`, such as `sources.m365`: its own, and those of tenants that have one.
pub fn credentials_of(config: &Office365Config, path: &str) -> Vec<(Option<TenantId>, ConfiguredCredential)> {
    let own = (None, ConfiguredCredential::new(&config.auth, format!("{path}.auth")));
    let of_tenants = config.tenants.iter().enumerate().filter_map(|(index, tenant)| {
        let key = format!("{path}.tenants[{index}].auth");
        Some((Some(tenant.id), ConfiguredCredential::new(tenant.auth.as_ref()?, key)))
    });
    std::iter::once(own).chain(of_tenants).collect()
}

/// The applications that ask for the tokens of the source at `path`.
pub(crate) fn applications(config: &Office365Config, path: &str) -> Applications {
    let application = |auth: &AuthConfig, credential| Application {
        client_id: auth.application_id().map(|id| id.to_string()).unwrap_or_default(),
        credential: Arc::new(credential),
    };
    let mut applications = Applications {
        default: application(&config.auth, ConfiguredCredential::new(&config.auth, format!("{path}.auth"))),
        of_tenants: HashMap::default(),
    };
    for (tenant, credential) in credentials_of(config, path) {
        let Some(id) = tenant else { continue };
        let auth = config.tenants.iter().find(|tenant| tenant.id == id).and_then(|tenant| tenant.auth.as_ref());
        applications.of_tenants.extend(auth.map(|auth| (id, application(auth, credential))));
    }
    applications
}
