//! `GET /security/auditLog/queries/{id}/records`: what a query has found, page by page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    call::Call,
    error::GraphError,
    queries::{context, find, invalid_token, link},
    query::Status,
    record,
    search::found,
};
use crate::{
    content::TenantId,
    simulator::{answer::Answer, dice::Dice, state::Service},
};

/// The place of a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Page {
    /// Which pass over the records it belongs to.
    pass: u64,
    /// The first of the query's records that can be on it.
    offset: usize,
}

pub(super) fn list(service: &Service, call: &Call, tenant: TenantId, now: DateTime<Utc>) -> Result<Answer, GraphError> {
    let query = find(service, call, tenant, now)?;
    let status = query.status(now);
    let Some(found) = found(service, query.id, now) else {
        let violation = format!("records of query {} while it is {}", query.id, status.as_str());
        service.state().stats.violation(violation);
        return Err(GraphError::no_records_yet(status.as_str(), status != Status::NotStarted));
    };
    let select = call.select();
    if select.is_some() && service.state().faults.graph.select_refused {
        return Err(GraphError::bad_request("Query option 'Select' is not allowed."));
    }
    if let Some(other) = select.filter(|select| *select != "id") {
        service.state().stats.violation(format!("$select={other}: only id is asked for"));
    }
    let page = match call.skip_token() {
        Some(token) => Page::read(token, query.id).ok_or_else(invalid_token)?,
        None => Page { pass: begin_pass(service, query.id), offset: 0 },
    };
    let size = service.config.graph.page_size.max(1);
    let omissions = Omissions::of(service, query.id, page.pass);
    let rest = found.occurrences.iter().enumerate().skip(page.offset);
    let mut shown = rest.filter(|(number, _)| !omissions.has(*number)).peekable();
    let on_page: Vec<_> = shown.by_ref().take(size).map(|(_, occurrence)| occurrence).collect();
    let next = shown.peek().map(|(number, _)| Page { offset: *number, ..page }.write(query.id));

    let records = on_page.into_iter().filter_map(|occurrence| {
        let id = service.world.id(occurrence)?;
        if select.is_some() {
            return Some(json!({ "id": id }).to_string());
        }
        Some(record::write(&service.world.record(occurrence)?, &id, occurrence.at))
    });
    let records: Vec<_> = records.collect();
    let state = service.state();
    let path = format!("queries/{}/records", query.id);
    let context = json!(context(&state, call, &format!("security/auditLog/queries('{}')/records", query.id)));
    let next = next.map(|token| format!(r#""@odata.nextLink":{},"#, json!(link(&state, call, &path, &token))));
    drop(state);
    let next = next.unwrap_or_default();
    Ok(Answer::raw(format!(r#"{{"@odata.context":{context},{next}"value":[{}]}}"#, records.join(",")).into()))
}

/// Each request for the first page begins another pass.
fn begin_pass(service: &Service, id: Uuid) -> u64 {
    let mut state = service.state();
    let Some(query) = state.graph.queries.get_mut(&id) else { return 0 };
    query.passes += 1;
    query.passes - 1
}

/// What one pass leaves out.
struct Omissions {
    share: f64,
    this_pass: Dice,
    passes_before: Vec<Dice>,
}

impl Omissions {
    fn of(service: &Service, id: Uuid, pass: u64) -> Self {
        let dice = Dice::new(service.config.seed).of_uuid("passes", id);
        let passes_before = (0..pass).map(|before| dice.of("pass", before)).collect();
        Self { share: service.state().faults.graph.omitted_in_pass, this_pass: dice.of("pass", pass), passes_before }
    }

    /// What a pass before may have left out is shown: any two passes show everything together, also when others between them broke
    /// off.
    fn has(&self, number: usize) -> bool {
        let draws = |pass: &Dice| pass.of("record", number as u64).chance(self.share);
        draws(&self.this_pass) && !self.passes_before.iter().any(draws)
    }
}

impl Page {
    /// Pass, offset, and a check that ties the token to its query: opaque, as Microsoft's is.
    fn write(self, query: Uuid) -> String {
        let position = format!("{}.{}", self.pass, self.offset);
        URL_SAFE_NO_PAD.encode(format!("{position}.{}", check(&position, query)))
    }

    fn read(token: &str, query: Uuid) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (position, given) = text.rsplit_once('.')?;
        let (pass, offset) = position.split_once('.')?;
        let page = Self { pass: pass.parse().ok()?, offset: offset.parse().ok()? };
        (given.parse() == Ok(check(position, query))).then_some(page)
    }
}

fn check(position: &str, query: Uuid) -> u64 {
    Dice::new(0).of_uuid("skiptoken", query).of(position, 0).below(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_query_alone() {
        let page = Page { pass: 3, offset: 1500 };
        let token = page.write(Uuid::from_u128(1));
        assert_eq!(Page::read(&token, Uuid::from_u128(1)), Some(page));
        assert_eq!(Page::read(&token, Uuid::from_u128(2)), None);
        for token in ["", "x", "My4xNTAw", &token[1..]] {
            assert_eq!(Page::read(token, Uuid::from_u128(1)), None, "{token}");
        }
    }
}
