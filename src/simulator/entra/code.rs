//! Authorization codes: what `authorize` gives to the application, and what it gets for one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Fields, Holder, Problem, Version, check_application, check_consent, check_credential,
    consent::{ConsentOutcome, single_tenant},
    find_tenant, is_shared, known_resource, unknown_application,
};
use crate::{
    content::TenantId,
    simulator::{SimulatedTenant, dice::Dice, state::Service},
};

/// Codes "expire after about 10 minutes" (MicrosoftDocs/entra-docs, `v2-oauth2-auth-code-flow.md`).
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// How long a code is remembered, so that a late second use is distinguished from an invented code.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// What a code stands for.
pub(super) struct Code {
    tenant: TenantId,
    client_id: Uuid,
    redirect_uri: String,
    resource: Option<String>,
    issued: DateTime<Utc>,
    redeemed: bool,
}

/// A new code.
pub(super) fn issue(service: &Service, tenant: &SimulatedTenant, redirect_uri: &str, resource: Option<&str>) -> String {
    let issued = service.clock.now();
    let mut state = service.state();
    let consents = &mut state.consents;
    consents.codes.retain(|_, known| issued - known.issued < REMEMBERED);
    let random: [u8; 96] = Dice::new(service.config.seed).of("code", consents.next_code).rng().random();
    consents.next_code += 1;
    let code = format!("0.A{}", URL_SAFE_NO_PAD.encode(random));
    let what = Code {
        tenant: tenant.id,
        client_id: tenant.client_id,
        redirect_uri: redirect_uri.to_owned(),
        resource: resource.map(str::to_owned),
        issued,
        redeemed: false,
    };
    consents.codes.insert(code.clone(), what);
    code
}

/// `grant_type=authorization_code` at the v1 endpoint: of `common`, since the application does not know the tenant yet
/// (MSGS), or of the tenant itself.
pub(super) fn redeem(service: &Service, path: &str, fields: &Fields) -> Result<Value, Problem> {
    let config = &service.config;
    let client = fields.required("client_id")?;
    let home = config.tenants.iter().find(|tenant| client.parse() == Ok(tenant.client_id));
    let home = home.ok_or_else(|| unknown_application(client, path))?;
    let own_only = !config.multi_tenant_app || service.state().consents.outcome == ConsentOutcome::SingleTenantApp;
    if own_only && is_shared(path) {
        return Err(single_tenant(client));
    }
    let named = if is_shared(path) { None } else { Some(find_tenant(service, path)?.id) };
    let code = fields.required("code")?;
    let redirect_uri = fields.required("redirect_uri")?;
    check_credential(service, home, fields)?;

    let (tenant, resource) = look_up(service, code, home.client_id, redirect_uri)?;
    if named.is_some_and(|named| named != tenant) {
        let text = "Provided Authorization Code is intended to use against other tenant, thus rejected.";
        return Err(Problem::bad("invalid_grant", 700_005, text));
    }
    let resource = match (fields.required("resource"), resource.as_deref()) {
        (Ok(resource), _) | (Err(_), Some(resource)) => known_resource(service, resource)?,
        (Err(missing), None) => return Err(missing),
    };
    let tenant = config.tenant(tenant).ok_or_else(expired)?;
    check_application(service, tenant, client)?;
    check_consent(service, tenant)?;
    if let Some(code) = service.state().consents.codes.get_mut(code) {
        code.redeemed = true;
    }
    Ok(super::issue(service, tenant, &resource, Version::V1, Holder::Administrator))
}

/// The tenant and the resource that a code is for.
fn look_up(
    service: &Service,
    code: &str,
    client_id: Uuid,
    redirect_uri: &str,
) -> Result<(TenantId, Option<String>), Problem> {
    let now = service.clock.now();
    let state = service.state();
    let code = state.consents.codes.get(code).filter(|code| code.client_id == client_id).ok_or_else(expired)?;
    if code.redeemed {
        let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
                    refresh token.";
        return Err(Problem::bad("invalid_grant", 54_005, text));
    }
    if now - code.issued >= LIFETIME {
        return Err(expired());
    }
    if code.redirect_uri != redirect_uri {
        let text = format!(
            "The reply address '{redirect_uri}' does not match the reply address '{}' provided when requesting \
             Authorization code.",
            code.redirect_uri
        );
        return Err(Problem::client(500_112, text));
    }
    Ok((code.tenant, code.resource.clone()))
}

fn expired() -> Problem {
    let text = "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive \
                authorization request for this user and resource.";
    Problem::bad("invalid_grant", 70_008, text)
}
