//! Audit records in the shapes of Microsoft's schema, with invented people at example domains.
//!
//! One file per content type. The mix within a type is weighted towards what tenants produce most. Shapes follow the Common
//! schema and the workload's own in Microsoft's Management Activity API schema.

mod active_directory;
mod dlp;
mod exchange;
mod general;
mod scene;
mod sharepoint;

use serde_json::Value;

pub(super) use self::scene::Scene;
use crate::content::ContentType;

/// Writes the one event that belongs to a scene.
pub(super) fn write(content_type: ContentType, scene: Scene<'_>) -> Value {
    match content_type {
        ContentType::AzureActiveDirectory => active_directory::write(scene),
        ContentType::Exchange => exchange::write(scene),
        ContentType::SharePoint => sharepoint::write(scene),
        ContentType::General => general::write(scene),
        ContentType::Dlp => dlp::write(scene),
        // It has no events of its own.
        ContentType::AuditLogQuery => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::{DateTime, NaiveDateTime};
    use uuid::Uuid;

    use super::*;
    use crate::{
        component::JsonObject,
        normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
        simulator::{SimulatedTenant, dice::Dice},
    };

    #[test]
    fn every_operation_is_known_to_the_normaliser() {
        let tenant = SimulatedTenant::contoso();
        let at = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Ecs));
        for content_type in ContentType::ALL {
            for number in 0..400 {
                let dice = Dice::new(1).of(content_type.as_str(), number);
                let record = write(content_type, Scene::new(&tenant, dice.uuid(), at, dice));
                let (text, mut members) = (record.to_string(), RecordMembers::default());
                let (json, _) = JsonObject::parse_repairing(text.into(), |name, raw| members.visit(name, raw)).unwrap();
                let event = normalizer.event(json, &members, &Origin::outside(None), at).event.to_json();
                let event: Value = serde_json::from_str(&event).unwrap();
                let said = |name: &str| event["event"][name].as_array().map_or(0, Vec::len);
                assert!(said("category") > 1 || said("type") > 1, "{}", record["Operation"]);
            }
        }
    }

    #[test]
    fn every_record_has_what_the_common_schema_makes_mandatory() {
        let tenant = SimulatedTenant::contoso();
        let at = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        let mut operations: BTreeMap<ContentType, BTreeSet<String>> = BTreeMap::new();
        for content_type in ContentType::ALL {
            for number in 0..400 {
                let dice = Dice::new(1).of(content_type.as_str(), number);
                let record = write(content_type, Scene::new(&tenant, dice.uuid(), at, dice));
                let text =
                    |name: &str| record[name].as_str().unwrap_or_else(|| panic!("{name} in {record}")).to_owned();
                assert_eq!(text("Id").parse::<Uuid>().unwrap(), dice.uuid());
                assert_eq!(text("OrganizationId"), tenant.id.to_string());
                assert!(NaiveDateTime::parse_from_str(&text("CreationTime"), "%Y-%m-%dT%H:%M:%S").is_ok());
                assert!(record["RecordType"].is_u64() && record["UserType"].is_u64(), "{record}");
                for name in ["UserKey", "Workload", "UserId"] {
                    text(name);
                }
                let length = record.to_string().len();
                assert!((400..4096).contains(&length), "{length}: {record}");
                operations.entry(content_type).or_default().insert(text("Operation"));
            }
        }
        let counts: Vec<_> = operations.values().map(BTreeSet::len).collect();
        assert_eq!(counts, [7, 7, 13, 9, 3], "{operations:#?}");
    }
}
