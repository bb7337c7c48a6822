//! From the configuration file to the sources it names.

use crate::{
    component::{ComponentKey, SourceConfig},
    config::{ProxyConfig, SourceEntry, TopologyConfig},
    normalize::SOURCE_TYPE,
    telemetry::Progress,
};

/// A source that the host is going to run.
#[derive(Debug)]
pub struct Component {
    /// Its name in the topology.
    pub key: ComponentKey,
    /// Its type, as the configuration calls it.
    pub component_type: &'static str,
    /// What it is and how it is built.
    pub config: Box<dyn SourceConfig>,
    /// Its proxy, already merged with the topology's.
    pub proxy: ProxyConfig,
    /// On which it reports what it has done; the host puts it into the source's extra context.
    pub progress: Progress,
}

impl Component {
    /// A source with no proxy of its own.
    pub fn new(key: impl Into<ComponentKey>, component_type: &'static str, config: Box<dyn SourceConfig>) -> Self {
        Self { key: key.into(), component_type, config, proxy: ProxyConfig::default(), progress: Progress::default() }
    }
}

/// The sources of a topology, in the order of their names.
pub fn components(topology: &TopologyConfig) -> Vec<Component> {
    topology.sources.iter().map(|(name, entry)| component(name, entry, topology)).collect()
}

fn component(name: &str, SourceEntry::Office365(config): &SourceEntry, topology: &TopologyConfig) -> Component {
    let proxy = config.proxy.or(&topology.proxy);
    Component { proxy, ..Component::new(name, SOURCE_TYPE, Box::new(config.clone())) }
}
