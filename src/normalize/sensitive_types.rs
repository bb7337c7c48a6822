//! Names for the sensitive information types that records of data loss prevention give as GUIDs.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    audit::{Audit, scalar_text},
    json::{Node, Object},
};

/// Members of records that have lists of what was detected somewhere in them.
const MEMBERS: &[&str] = &[
    "PolicyDetails",
    "EndpointMetaData",
    "ExchangeMetaData",
    "SharePointMetaData",
    "SensitiveInformation",
    "SensitiveInfoTypeData",
];

/// Lists of what was detected, one object for each type.
const LISTS: &[&str] = &["SensitiveInformation", "SensitiveInfoTypeData"];

/// Where such an object has the GUID.
const IDS: &[&str] = &["SensitiveType", "SensitiveInfoTypeId"];

/// Where it has the name, if Microsoft gives one.
const NAMES: &[&str] = &[NAME, "SensitiveInfoTypeName"];

const NAME: &str = "SensitiveInformationTypeName";

/// The names of a tenant's sensitive information types, by GUID.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SensitiveTypes(HashMap<Uuid, Box<str>>);

impl SensitiveTypes {
    /// Microsoft has some 300 types, and a tenant may make 500 of its own.
    const MOST: usize = 10_000;

    /// The longest name, in characters; Microsoft allows 64 for those that a tenant makes.
    const LONGEST: usize = 256;

    /// Of GUIDs and names. What is no GUID or has no name is left out, and so is what is more than any tenant has: it is kept
    /// in memory as long as the tenant is collected.
    pub fn new<'a>(types: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let known = types.into_iter().filter_map(|(id, name)| {
            let name: String = name.trim().chars().take(Self::LONGEST).collect();
            (!name.is_empty()).then_some((Uuid::parse_str(id.trim()).ok()?, name.into_boxed_str()))
        });
        Self(known.take(Self::MOST).collect())
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many names are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of a type, by the text of its GUID.
    pub fn name(&self, id: &str) -> Option<&str> {
        self.0.get(&Uuid::parse_str(id.trim()).ok()?).map(AsRef::as_ref)
    }
}

/// Adds the names that are missing to what a record says was detected.
pub(super) fn name_types(record: &mut Audit<'_>, types: &SensitiveTypes) {
    if types.is_empty() {
        return;
    }
    for member in MEMBERS {
        record.change(member, |mut node, _| {
            name_below(&mut node, LISTS.contains(member), types);
            Some(node)
        });
    }
}

/// Goes through a member; parsed nodes are not deep.
fn name_below(node: &mut Node<'_>, is_list: bool, types: &SensitiveTypes) {
    match node {
        Node::List(elements) => {
            for element in elements {
                if let Some(object) = element.as_object_mut().filter(|_| is_list) {
                    name_one(object, types);
                }
                name_below(element, false, types);
            }
        }
        Node::Object(object) => {
            for (name, node) in object.iter_mut() {
                name_below(node, LISTS.contains(&name), types);
            }
        }
        _ => {}
    }
}

fn name_one(object: &mut Object<'_>, types: &SensitiveTypes) {
    if NAMES.iter().any(|name| object.get(name).is_some()) {
        return;
    }
    let id = IDS.iter().find_map(|id| scalar_text(object.get(id)?));
    if let Some(name) = id.and_then(|id| types.name(&id)) {
        object.set(NAME, Node::text(name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};
    use std::sync::Arc;

    use super::*;
    use crate::{
        component::JsonObject,
        normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
    };

    const CARD: &str = "50842eb7-edc8-4019-85dd-5a5c1f2bb085";
    const BANK: &str = "cb353f78-2b72-4c3c-8827-92ebe4f69fdf";

    fn types() -> SensitiveTypes {
        SensitiveTypes::new([(CARD, "Credit Card Number"), (BANK, " ABA Routing Number ")])
    }

    fn event(record: &Value, schema: Schema) -> Value {
        let record = JsonObject::parse(record.to_string().into()).unwrap();
        let origin = Origin::outside(None).with_sensitive_types(Arc::new(types()));
        let normalizer = Normalizer::new(NormalizeOptions::new(schema));
        let made = normalizer.event(record, &RecordMembers::default(), &origin, DateTime::UNIX_EPOCH);
        serde_json::from_str(&made.event.to_json()).unwrap()
    }

    #[test]
    fn what_is_no_type_is_left_out_and_guids_have_many_forms() {
        let long = "n".repeat(1_000);
        let types = SensitiveTypes::new([(CARD, "Card"), ("no guid", "x"), (BANK, " "), ("{0}", "y")]);
        assert_eq!((types.len(), types.is_empty()), (1, false));
        assert_eq!(types.name(&format!(" {{{}}} ", CARD.to_uppercase())), Some("Card"));
        assert_eq!(types.name(BANK), None);
        assert_eq!(SensitiveTypes::new([(CARD, long.as_str())]).name(CARD).map(str::len), Some(256));
        let ids: Vec<_> = (0..20_000).map(|id| Uuid::from_u128(id).to_string()).collect();
        assert_eq!(SensitiveTypes::new(ids.iter().map(|id| (id.as_str(), "x"))).len(), 10_000);
    }

    #[test]
    fn names_are_added_where_they_are_missing_and_nowhere_else() {
        let found = |information: Value| json!([{ "Rules": [{ "ConditionsMatched": { "SensitiveInformation": information } }] }]);
        let record = json!({
            "RecordType": 11,
            "PolicyDetails": found(json!([
                { "SensitiveType": CARD, "Count": 1 },
                { "SensitiveType": BANK.to_uppercase(), "SensitiveInformationTypeName": "" },
                { "SensitiveType": CARD, "SensitiveInformationTypeName": "Kept" },
                { "SensitiveType": "00000000-0000-0000-0000-000000000001" },
                { "SensitiveType": 7 },
                CARD,
            ])),
            "EndpointMetaData": { "SensitiveInfoTypeData": [
                { "SensitiveInfoTypeId": CARD },
                { "SensitiveInfoTypeId": BANK, "SensitiveInfoTypeName": "Kept" },
            ], "Other": [{ "SensitiveType": CARD }] },
        });
        let event = event(&record, Schema::Ecs);
        let audit = &event["o365"]["audit"];
        let expected = json!([
            { "SensitiveType": CARD, "Count": 1, "SensitiveInformationTypeName": "Credit Card Number" },
            { "SensitiveType": BANK.to_uppercase(), "SensitiveInformationTypeName": "ABA Routing Number" },
            { "SensitiveType": CARD, "SensitiveInformationTypeName": "Kept" },
            { "SensitiveType": "00000000-0000-0000-0000-000000000001" },
            { "SensitiveType": 7 },
            CARD,
        ]);
        assert_eq!(audit["PolicyDetails"], found(expected));
        let expected = json!({ "SensitiveInfoTypeData": [
            { "SensitiveInfoTypeId": CARD, "SensitiveInformationTypeName": "Credit Card Number" },
            { "SensitiveInfoTypeId": BANK, "SensitiveInfoTypeName": "Kept" },
        ], "Other": [{ "SensitiveType": CARD }] });
        assert_eq!(audit["EndpointMetaData"], expected);
    }

    #[test]
    fn raw_events_stay_as_they_came() {
        let record = json!({ "SensitiveInformation": [{ "SensitiveType": CARD }] });
        assert_eq!(event(&record, Schema::Raw), record);
        let named = event(&record, Schema::Ecs);
        let first = &named["o365"]["audit"]["SensitiveInformation"][0];
        assert_eq!(first["SensitiveInformationTypeName"], "Credit Card Number");
    }
}
