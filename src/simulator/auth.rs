//! Who may ask: the token, the tenant, the publisher, the permission.

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use uuid::Uuid;

use super::{SimulatedTenant, TenantFault, call::Call, error_reply::ErrorReply, graph, state::Service, token::Claims};
use crate::content::{ContentType, Feed, TenantId};

/// The claims of a valid token; 401 without one. One for Microsoft Graph is not for this API.
pub(super) fn claims(service: &Service, call: &Call, now: DateTime<Utc>) -> Result<Claims, ErrorReply> {
    let claims = bearer(service, &call.headers, now).filter(|claims| claims.aud != graph::RESOURCE);
    claims.ok_or_else(ErrorReply::unauthorized)
}

/// The claims of the token in a request, if there is one that is in force.
pub(super) fn bearer(service: &Service, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Claims> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let first_valid = service.state().first_valid_token;
    let is_bearer = scheme.eq_ignore_ascii_case("Bearer");
    service.mint.check(token.trim(), now, first_valid).filter(|_| is_bearer)
}

/// The tenant that the URL names, if it is the token's.
///
/// The real service does not check this strictly (wazuh/wazuh#37894 puts the client id there and is served), but MSREF says
/// it does; a client that relies on the leniency is a client with a bug.
pub(super) fn tenant<'a>(
    service: &'a Service,
    call: &Call,
    claims: &Claims,
) -> Result<&'a SimulatedTenant, ErrorReply> {
    let id: TenantId = call.tenant.parse().map_err(|_| ErrorReply::invalid_tenant(&call.tenant))?;
    let tenant = service.config.tenant(id).ok_or_else(|| ErrorReply::unknown_tenant(id))?;
    if id != claims.tenant() {
        return Err(ErrorReply::tenant_mismatch(id, claims.tenant()));
    }
    Ok(tenant)
}

/// Exactly one `PublisherIdentifier`, a GUID. Without it a client shares the quota of all that do the same, and "more than
/// likely" gets none of it (MSTRB); with a name in its place it gets 400 (ddbnl/office365-audit-log-collector#11).
pub(super) fn publisher(service: &Service, call: &Call) -> Result<(), ErrorReply> {
    let given: Vec<_> = call.values("PublisherIdentifier").collect();
    if let [one] = given[..] {
        return one.parse::<Uuid>().map(drop).map_err(|_| ErrorReply::parameter_type("PublisherIdentifier", "guid"));
    }
    let mut state = service.state();
    let count = given.len();
    state.stats.violation(format!("{} with {count} PublisherIdentifiers: {}", call.operation, call.path));
    if !service.config.strict_publisher {
        return Ok(());
    }
    state.stats.throttled += 1;
    Err(ErrorReply::throttled(call.operation, Uuid::nil(), true))
}

/// Whether the token may read a content type.
pub(super) fn permission(service: &Service, claims: &Claims, feed: Feed) -> Result<(), ErrorReply> {
    let forbidden = TenantFault::ContentTypeForbidden(feed.content_type);
    if may_read(claims, feed.content_type) && !service.has_trouble(feed.tenant, forbidden) {
        Ok(())
    } else {
        Err(ErrorReply::lacks_permission(service.config.denial, &claims.roles))
    }
}

/// Whether the token may read anything: for operations that concern no one content type.
pub(super) fn any_permission(service: &Service, claims: &Claims) -> Result<(), ErrorReply> {
    if ContentType::ALL.into_iter().any(|content_type| may_read(claims, content_type)) {
        Ok(())
    } else {
        Err(ErrorReply::lacks_permission(service.config.denial, &claims.roles))
    }
}

fn may_read(claims: &Claims, content_type: ContentType) -> bool {
    claims.roles.iter().any(|role| role == content_type.permission())
}
