//! Where records come from.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{GeoipDatabases, SensitiveTypes};
use crate::{
    component::{ComponentKey, EventMetadata, Field, Fields, SharedFields},
    content::ContentRef,
};

/// The type of component that events name as their source.
pub const SOURCE_TYPE: &str = "office365";

/// Where records come from, for all records of a blob.
#[derive(Clone, Debug)]
pub struct Origin {
    pub(super) shared: Arc<SharedFields>,
    pub(super) metadata: EventMetadata,
    pub(super) domain: Option<Arc<str>>,
    /// `o365.content` as JSON text; empty without any.
    pub(super) content: String,
    /// When the content was created.
    pub(super) created: Option<DateTime<Utc>>,
    /// The tenant's sensitive information types, if they are known.
    pub(super) sensitive_types: Option<Arc<SensitiveTypes>>,
    /// Where addresses are, if that is known.
    pub(super) geoip: Option<Arc<GeoipDatabases>>,
}

impl Origin {
    /// The origin of a blob's records: the tenant's domain, if it has one, and the blob.
    pub fn new(component: &Arc<ComponentKey>, domain: Option<&str>, content: &ContentRef) -> Self {
        let fields = Field::object([
            ("type", content.feed.content_type.as_str().into()),
            ("id", content.content_id.as_str().into()),
            ("created", Field::Timestamp(content.created)),
        ]);
        let json = serde_json::to_string(&fields).unwrap_or_default();
        let metadata = EventMetadata::default().with_source(Arc::clone(component), SOURCE_TYPE);
        Self {
            shared: SharedFields::new(shared(domain, Some(fields))),
            metadata,
            domain: domain.map(Arc::from),
            content: json,
            created: Some(content.created),
            sensitive_types: None,
            geoip: None,
        }
    }

    /// The origin of records that did not come from the API, such as those of an export.
    pub fn outside(domain: Option<&str>) -> Self {
        Self {
            shared: SharedFields::new(shared(domain, None)),
            metadata: EventMetadata::default(),
            domain: domain.map(Arc::from),
            content: String::new(),
            created: None,
            sensitive_types: None,
            geoip: None,
        }
    }

    /// With the GeoIP databases.
    #[must_use]
    pub fn with_geoip(mut self, databases: Arc<GeoipDatabases>) -> Self {
        self.geoip = Some(databases);
        self
    }

    /// With the names of the tenant's sensitive information types, for records that leave them out.
    #[must_use]
    pub fn with_sensitive_types(mut self, types: Arc<SensitiveTypes>) -> Self {
        self.sensitive_types = Some(types);
        self
    }
}

/// What schema `raw` adds.
fn shared(domain: Option<&str>, content: Option<Field>) -> Fields {
    let mut fields = Fields::new();
    if let Some(domain) = domain {
        fields.insert("meta".into(), Field::object([("src", Field::object([("host", domain.into())]))]));
    }
    if let Some(content) = content {
        fields.insert("o365".into(), Field::object([("content", content)]));
    }
    fields
}
