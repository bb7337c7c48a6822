//! The Elastic Common Schema, in the dialect that security content for Microsoft 365 is written for.
//!
//! It is the dialect of Elastic's integration as of 2026, with these differences, each on purpose:
//! - The outcome of a sign-in follows operation and error, not `ResultStatus`, which Microsoft says is not its result.
//! - `Severity` is read in any case.
//! - `<null>`, `null` and `undefined` in strings are absent values.
//! - Alerts have the categories that Elastic's order of steps loses.
//! - What cannot be read stays where it was, is named in `error.message` and counted. The event passes, and `event.kind` stays.
//! - What was changed without an old value, or is only named, stays in `o365.audit.ModifiedProperties`.

pub(super) mod categories;
mod cloud_apps;
pub(super) mod common;
mod copilot;
mod dlp;
mod document;
mod email;
pub(super) mod entra;
mod exchange;
mod fields;
mod geo;
pub(super) mod labels;
mod mapping;
mod own;
mod power_bi;
mod rule;
mod security;
mod sharepoint;
mod teams;
mod threat_intelligence;
mod users;
mod viva_engage;

use self::{document::Document, fields::Field as F, mapping::Mapping, rule::Step};
pub use self::{
    fields::{Field, FieldType},
    own::OWN,
    rule::{Family, Line},
};
use super::{Context, Normalized, audit::Audit, conversation, json::Node, sensitive_types::name_types, shape::shape};
use crate::{component::JsonObject, record_types::record_type_name};

/// The version of ECS that the fields are from.
pub const ECS_VERSION: &str = "9.4.0";

/// `event.module`, which security content for Microsoft 365 knows.
const MODULE: &str = "o365";

/// `event.dataset` and `data_stream.dataset`, which security content for Microsoft 365 chooses events by.
const DATASET: &str = "o365.audit";

/// `data_stream.type`.
const DATA_STREAM_TYPE: &str = "logs";

/// The families with rules of their own. Other record types have the rules of all records.
pub const FAMILIES: &[Family] = &[
    entra::FAMILY,
    exchange::FAMILY,
    sharepoint::FAMILY,
    teams::FAMILY,
    security::FAMILY,
    cloud_apps::FAMILY,
    dlp::FAMILY,
    threat_intelligence::FAMILY,
    viva_engage::FAMILY,
    power_bi::FAMILY,
    copilot::FAMILY,
    labels::FAMILY,
];

/// All families in the order of the mapping, for the documentation.
pub fn families() -> impl Iterator<Item = &'static Family> {
    static FIRST: Family = common::FIRST;
    static LAST: Family = common::LAST;
    [&FIRST].into_iter().chain(FAMILIES).chain([&LAST])
}

/// The rows of `event.category` and `event.type` for the documentation: when, category, type, action.
pub fn categories() -> impl Iterator<Item = [String; 4]> {
    categories::ROWS.iter().map(categories::Row::columns)
}

/// Writes the ECS document of a record.
pub(crate) fn document(record: &JsonObject, context: &Context<'_>, out: &mut Vec<u8>) -> Normalized {
    let mut audit = Audit::new(record);
    let code = audit.integer("RecordType").and_then(record_type_name).unwrap_or_default();
    let operation = audit.text("Operation").unwrap_or_default();
    let mut mapping = Mapping {
        record: audit,
        fields: Document::new(),
        code,
        operation,
        targets: Vec::new(),
        addresses: Vec::new(),
        domain: context.domain,
        user_agents: context.user_agents,
        geoip: context.geoip,
        time: None,
    };
    shape(&mut mapping.record, code);
    if let Some(types) = context.sensitive_types {
        name_types(&mut mapping.record, types);
    }
    let steps = |family: &'static [Step], mapping: &mut Mapping<'_>| family.iter().for_each(|step| step.apply(mapping));
    steps(common::FIRST.steps, &mut mapping);
    if let Some(family) = FAMILIES.iter().find(|family| family.codes.contains(&code)) {
        steps(family.steps, &mut mapping);
    } else if conversation::is_one(&mut mapping.record, code) {
        steps(copilot::FAMILY.steps, &mut mapping);
    }
    steps(common::LAST.steps, &mut mapping);
    finish(mapping, record, context, out)
}

/// Adds what every event has, and writes it.
fn finish(mapping: Mapping<'_>, record: &JsonObject, context: &Context<'_>, out: &mut Vec<u8>) -> Normalized {
    let Mapping { record: audit, mut fields, time, .. } = mapping;
    let time = time.unwrap_or_else(|| context.fallback_time());
    fields.set(F::TIMESTAMP, Node::Time(time));
    fields.set_text(F::ECS_VERSION, ECS_VERSION);
    fields.set_text(F::EVENT_MODULE, MODULE);
    fields.set_text(F::EVENT_DATASET, DATASET);
    fields.set_text(F::DATA_STREAM_TYPE, DATA_STREAM_TYPE);
    fields.set_text(F::DATA_STREAM_DATASET, DATASET);
    fields.set_text(F::DATA_STREAM_NAMESPACE, context.namespace);
    fields.set(F::EVENT_INGESTED, Node::Time(context.ingested));
    if let Some(domain) = context.domain {
        fields.set_text(F::META_SRC_HOST, domain);
    }
    if let Some(original) = context.original {
        fields.set_text(F::EVENT_ORIGINAL, original);
    }
    fields.append(F::ERROR_MESSAGE, audit.damages.sentences());
    out.reserve(record.as_bytes().len() * 2 + 512);
    fields.write(&audit, context.content, out);
    Normalized { time, damages: audit.damages }
}
