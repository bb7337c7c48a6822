//! How an application proves that it is the one: by its secret, or by an assertion.

use super::{assertion::check_assertion, fields::Fields, problem::Problem};
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
        if kind == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return check_assertion(service, tenant, assertion);
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
