//! Where the events of a blob come from, by content type. Content of a search has events of several.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use super::shared::Shared;
use crate::{
    component::ComponentKey,
    content::{ContentRef, ContentType, Feed},
    normalize::{GeoipDatabases, Origin, SensitiveTypes},
};

/// The origins of a blob's events.
#[derive(Debug)]
pub struct Origins {
    component: Arc<ComponentKey>,
    domain: Option<Arc<str>>,
    content: ContentRef,
    geoip: Option<Arc<GeoipDatabases>>,
    /// The names of the tenant's sensitive information types, to be set before the first event.
    pub sensitive_types: Option<Arc<SensitiveTypes>>,
    made: BTreeMap<ContentType, Origin>,
}

impl Origins {
    /// Those of a blob. It keeps the databases of addresses as they are now.
    pub fn new(shared: &Shared, content: &ContentRef) -> Self {
        Self {
            component: Arc::clone(&shared.component),
            domain: shared.tenants.domain(content.feed.tenant),
            content: content.clone(),
            geoip: shared.geoip.as_ref().map(crate::geoip::Geoip::current),
            sensitive_types: None,
            made: BTreeMap::new(),
        }
    }

    /// The origin of events of a content type.
    pub fn of(&mut self, content_type: ContentType) -> &Origin {
        match self.made.entry(content_type) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(entry) => {
                let content = ContentRef { feed: Feed { content_type, ..self.content.feed }, ..self.content.clone() };
                let mut origin = Origin::new(&self.component, self.domain.as_deref(), &content);
                if let Some(types) = self.sensitive_types.clone().filter(|_| content_type == ContentType::Dlp) {
                    origin = origin.with_sensitive_types(types);
                }
                if let Some(geoip) = self.geoip.clone() {
                    origin = origin.with_geoip(geoip);
                }
                entry.insert(origin)
            }
        }
    }
}
