//! What a few kinds of records say, for a page that counts them: logons, links of SharePoint and OneDrive, sensitivity labels.
//!
//! Most records are none of these. So the operation decides first, without taking the record apart. What is read then follows the
//! rules of the schemas: the same client, user, outcome and label.

mod labels;
mod links;
mod logons;

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{
    GeoipDatabases, Normalizer, Origin, RecordMembers, audit::Audit, named_users::principal, record_type_name,
    redact::redact, spelling::respell, user_id::UserId,
};
use crate::component::JsonObject;

pub(crate) use self::{
    labels::{LabelAction, LabelFact},
    links::{LinkAct, LinkFact, LinkKind},
    logons::{LogonFact, LogonPlace},
};
pub(crate) use super::outcome::Outcome;

/// What a record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fact {
    /// When it happened.
    pub(crate) time: DateTime<Utc>,
    /// What happened.
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// Somebody signed in, or failed to.
    Logon(LogonFact),
    /// A link was made, used, changed or removed.
    Link(LinkFact),
    /// A sensitivity label was applied, changed, removed or met.
    Label(LabelFact),
}

/// What an operation's name says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sort {
    Logon(LogonPlace),
    Link(LinkKind, LinkAct),
    Label(LabelAction),
}

impl Fact {
    /// How many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let texts = match &self.what {
            What::Logon(LogonFact { source, user, country, .. }) => [source, user, country, &None],
            What::Link(LinkFact { item, user, .. }) => [item, user, &None, &None],
            What::Label(LabelFact { id, name, item, user, .. }) => [id, name, item, user],
        };
        size_of::<Self>() + texts.into_iter().flatten().map(String::capacity).sum::<usize>()
    }
}

impl Sort {
    fn of(record_type: Option<i64>, operation: &str) -> Option<Self> {
        let operation = operation.trim_end_matches(['.', ' ']);
        let logon = || logons::place(record_type.and_then(record_type_name).unwrap_or_default(), operation);
        let link = || links::sort(operation).map(|(kind, act)| Self::Link(kind, act));
        let label = || labels::action(operation).map(Self::Label);
        link().or_else(label).or_else(|| logon().map(Self::Logon))
    }
}

impl Normalizer {
    /// What a record says, if it is of a kind that is counted. Its values that data loss prevention has detected are redacted as
    /// in its event.
    pub(crate) fn fact(&self, record: &JsonObject, members: &RecordMembers, origin: &Origin) -> Option<Fact> {
        sort(record)?;
        let redacted = if self.redacts() { redact(record) } else { None };
        let record = redacted.as_ref().unwrap_or(record);
        read(record, members, origin.geoip.as_deref())
    }
}

/// The kind of a record by its type and operation, which are read without the rest.
fn sort(record: &JsonObject) -> Option<Sort> {
    let (mut record_type, mut operation) = (None, None);
    record.for_each_member(|name, raw| {
        if name.eq_ignore_ascii_case("Operation") {
            operation = serde_json::from_str::<Cow<'_, str>>(raw).ok().or(operation.take());
        } else if name.eq_ignore_ascii_case("RecordType") {
            record_type = raw.trim_matches('"').parse().ok().or(record_type);
        }
    });
    Sort::of(record_type, &operation?)
}

fn read(record: &JsonObject, members: &RecordMembers, geoip: Option<&GeoipDatabases>) -> Option<Fact> {
    let respelt = respell(record);
    let mut audit = Audit::new(respelt.as_ref().unwrap_or(record));
    let record_type = audit.integer("RecordType");
    let operation = audit.text("Operation")?;
    let code = record_type.and_then(record_type_name).unwrap_or_default();
    let what = match Sort::of(record_type, &operation)? {
        Sort::Logon(place) => What::Logon(logons::read(&mut audit, code, &operation, place, geoip)),
        Sort::Link(kind, act) => What::Link(links::read(&mut audit, kind, act)),
        Sort::Label(action) => What::Label(labels::read(&mut audit, action)),
    };
    // A record without a time happened at a time that nobody knows: it belongs to no hour.
    Some(Fact { time: members.creation_time?, what })
}

/// Who did it, as the schemas name the user, in lower case: the workloads write the same user in several.
fn user(audit: &mut Audit<'_>) -> Option<String> {
    let id = audit.text("UserId");
    let user = id.as_ref().and_then(UserId::parse);
    let actor = if user.is_none() { principal(audit, "Actor") } else { None };
    let user = user.or_else(|| actor.as_ref().and_then(UserId::parse))?;
    Some(user.email.unwrap_or(user.id).to_lowercase())
}

/// What it was done to: the address or path of a file, else its name. What stands behind a `?` of an address can open the item.
fn item(audit: &mut Audit<'_>) -> Option<String> {
    let item = ["ObjectId", "ItemName", "FileName", "SourceFileName"].into_iter().find_map(|name| audit.text(name))?;
    let end = if item.contains("://") { item.find('?') } else { None };
    Some(item[..end.unwrap_or(item.len())].to_owned())
}

#[cfg(test)]
mod tests;
