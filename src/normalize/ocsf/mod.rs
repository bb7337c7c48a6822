//! The Open Cybersecurity Schema Framework (OCSF).
//!
//! - Which class and activity a record is follows from record type and operation ([`classes()`]). A record that lacks the thing that
//!   its class is about, such as a file operation without a file, becomes API Activity.
//! - What is required and not in the record is not made up: its name is `Unknown`.
//! - What has no attribute stays under `unmapped`, under the names that Microsoft gave. What has one is not there a second time.
//! - What cannot be read stays there as well and is named in `metadata.debug`. The event passes.
//! - Where the content came from is under `unmapped.o365.content`, as in the other schemas under `o365.content`.

mod activities;
mod authentication;
mod classes;
mod common;
mod copilot;
mod data_security;
mod email;
mod endpoint;
mod evidence;
mod file;
mod findings;
mod geo;
mod iam;
mod mapping;
mod observables;
mod target;
mod user;
mod web;

#[cfg(test)]
mod mapping_tests;
#[cfg(test)]
mod records_tests;

use std::borrow::Cow;

pub(super) use self::activities::of as activity_of;
pub use self::classes::{BASE, CLASSES, Class, OCSF_VERSION};
use self::mapping::{Mapping, Others};
use super::{
    Context, Normalized,
    audit::Audit,
    endpoint_dlp,
    json::{Node, Object},
    operations::{Deed, by_parameters},
    sensitive_types::name_types,
    shape::shape,
};
use crate::{component::JsonObject, record_types::record_type_name};

/// What records of a type and an operation become, for the documentation. The first row that fits counts.
#[derive(Clone, Debug)]
pub struct ClassRow {
    /// Names of record types.
    pub record_types: String,
    /// Operations; `…` stands for anything that follows.
    pub operations: String,
    /// The class.
    pub class: &'static Class,
    /// `activity_id`.
    pub activity_id: u8,
    /// The activity's name; of 99, events have the operation in `activity_name`.
    pub activity: &'static str,
}

/// The rows that give records class and activity by their type, for the documentation; the last one is for what nothing is known of.
pub fn classes() -> impl Iterator<Item = ClassRow> {
    let row = |record_types: String, operations: String, class: &'static Class, activity_id: u8| ClassRow {
        record_types,
        operations,
        class,
        activity_id,
        activity: class.activity_name(activity_id).unwrap_or_default(),
    };
    let codes = |codes: &[&str]| codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    activities::ROWS
        .iter()
        .map(move |known| row(codes(known.codes), known.describe(), known.class, known.activity))
        .chain([row("any other".to_owned(), "any".to_owned(), &classes::API_ACTIVITY, classes::OTHER)])
}

/// The class and activity of a known operation, for the documentation.
pub(super) fn activity_of_operation(code: &str, deed: Deed, operation: &str) -> (&'static Class, u8) {
    activities::of_type(code, operation).unwrap_or_else(|| activity_of(code, deed))
}

/// Most events have fewer attributes at the top.
const ATTRIBUTES: usize = 32;

/// Writes the OCSF event of a record.
pub(crate) fn event(record: &JsonObject, context: &Context<'_>, out: &mut Vec<u8>) -> Normalized {
    let mut audit = Audit::new(record);
    let code = audit.integer("RecordType").and_then(record_type_name).unwrap_or_default();
    shape(&mut audit, code);
    if let Some(types) = context.sensitive_types {
        name_types(&mut audit, types);
    }
    let operation = audit.text("Operation").unwrap_or_default();
    if !operation.is_empty() {
        audit.set_moved("Operation");
    }
    let deed = by_parameters(&mut audit, &operation);
    let activities::Activity { mut class, id: mut activity, fallback } = activities::classify(code, &operation, deed);
    // What takes a file off a device is a finding, whether a rule matched or not.
    if code == endpoint_dlp::CODE
        && class.uid != classes::DATA_SECURITY_FINDING.uid
        && endpoint_dlp::is_alert(&mut audit, &operation)
    {
        (class, activity) = (&classes::DATA_SECURITY_FINDING, 1);
    }
    let time = audit.creation_time().unwrap_or_else(|| context.fallback_time());
    let mut mapping = Mapping {
        record: audit,
        event: Object::with_capacity(ATTRIBUTES),
        code,
        operation,
        class,
        activity,
        fallback,
        user: None,
        status: None,
        severity: None,
        others: Others::default(),
        time,
        security_control: false,
    };
    mapping.user = user::actor(&mut mapping);
    if fill(&mut mapping).is_none() {
        mapping.fall_back();
    }
    common::fill(&mut mapping, context);
    write(mapping, record, context, out)
}

/// Fills what the class is about; `None`, with nothing taken, if the record does not have it.
fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    match mapping.class.uid {
        2004 => findings::fill(mapping),
        2006 => data_security::fill(mapping),
        3001 => iam::account_change(mapping),
        3002 => {
            authentication::fill(mapping);
            Some(())
        }
        3004 => iam::entity_management(mapping),
        3005 => iam::user_access(mapping),
        3006 => iam::group_management(mapping),
        4009 => email::fill(mapping),
        6001 => web::fill(mapping),
        6006 => file::fill(mapping),
        _ => {
            // All else that API Activity is about is common to all classes.
            copilot::fill(mapping);
            Some(())
        }
    }
}

/// Adds what is left of the record, and writes the event.
fn write(mapping: Mapping<'_>, record: &JsonObject, context: &Context<'_>, out: &mut Vec<u8>) -> Normalized {
    let Mapping { record: audit, mut event, time, others, .. } = mapping;
    let (mut rest, damages) = audit.into_rest();
    if !damages.is_empty()
        && let Some(metadata) = event.get_mut("metadata").and_then(Node::as_object_mut)
    {
        metadata.set("debug", Node::List(damages.sentences().map(Node::text).collect()));
    }
    if !context.content.is_empty() {
        let mut o365 = Object::new();
        // Microsoft has no member of this name; if it ever has, it is kept.
        o365.set_some("audit", rest.take("o365"));
        o365.set("content", Node::Json(Cow::Borrowed(context.content)));
        rest.set("o365", Node::Object(o365));
    }
    event.set_some("unmapped", mapping::some(rest));
    if let Some(databases) = context.geoip {
        geo::locate(&mut event, databases);
    }
    observables::fill(&mut event, &others);
    if let Some(original) = context.original {
        event.set("raw_data", Node::text(original));
    }
    out.reserve(record.as_bytes().len() * 2 + 2048);
    event.write(out);
    Normalized { time, damages }
}
