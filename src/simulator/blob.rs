//! `GET audit/{contentId}`: the content itself.

use chrono::{DateTime, Utc};

use super::{
    answer::Answer, auth, call::Call, error_reply::ErrorReply, state::Service, subscriptions, token::Claims,
    world::is_content_id,
};

pub(super) fn fetch(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, ErrorReply> {
    let id = &call.content_id;
    if call.path.contains("%24") {
        // The service's own links have `$`; a client that escapes it did not use the link as it was.
        service.state().stats.violation(format!("contentUri not used verbatim: {}", call.path));
    }
    if !is_content_id(id) {
        return Err(ErrorReply::content_id(id));
    }
    let blob = service.world.find(claims.tenant(), id).ok_or_else(|| ErrorReply::no_such_content(id))?;
    auth::permission(service, claims, blob.feed)?;
    subscriptions::require_enabled(service, blob.feed)?;
    if now < blob.created.max(blob.available_from) {
        return Err(ErrorReply::no_such_content(id));
    }
    if blob.expiration <= now {
        return Err(ErrorReply::content_expired(id));
    }
    Ok(Answer::raw(service.world.body(&blob)))
}
