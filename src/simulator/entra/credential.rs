//! How an application proves that it is the one: by its secret, or by an assertion.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::{fields::Fields, problem::Problem};
use crate::simulator::{SimulatedTenant, TenantFault, state::Service};

pub(super) fn check_credential(service: &Service, tenant: &SimulatedTenant, fields: &Fields) -> Result<(), Problem> {
    let app = tenant.client_id;
    if let Some(secret) = fields.get("client_secret") {
        if service.has_trouble(tenant.id, TenantFault::SecretExpired) {
            let text = format!(
                "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys \
                 for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
                 security."
            );
            return Err(Problem::client(7_000_222, text));
        }
        if secret != tenant.client_secret {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{app}'."
            );
            return Err(Problem::client(7_000_215, text));
        }
        return Ok(());
    }
    if let Some(assertion) = fields.get("client_assertion") {
        let kind = fields.required("client_assertion_type")?;
        if kind == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            && Assertion::read(assertion).is_some_and(|claims| claims.is_good(app, service.clock.now()))
        {
            return Ok(());
        }
        return Err(Problem::client(
            700_027,
            "The certificate with identifier used to sign the client assertion is not \
                                             registered on application, or the assertion is not valid.",
        ));
    }
    let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    Err(Problem::client(7_000_218, text))
}

/// The claims of a client assertion. No certificate is known here, so its signature is not checked.
#[derive(Deserialize)]
struct Assertion {
    iss: Uuid,
    sub: Uuid,
    exp: i64,
    #[serde(default)]
    nbf: i64,
}

impl Assertion {
    fn read(assertion: &str) -> Option<Self> {
        let payload = assertion.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    fn is_good(&self, app: Uuid, now: DateTime<Utc>) -> bool {
        // Entra forgives five minutes of clock skew.
        let now = now.timestamp();
        self.iss == app && self.sub == app && self.nbf - 300 <= now && now < self.exp + 300
    }
}
