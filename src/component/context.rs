//! What a host gives a source when it builds it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{ExtraContext, LogNamespace, ShutdownSignal, SourceSender};
use crate::config::{AcknowledgementsConfig, ProxyConfig};

/// The name of a component in its topology, such as `m365`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ComponentKey(String);

impl ComponentKey {
    /// The name.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for ComponentKey {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ComponentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Settings that all components of a topology share.
#[derive(Clone, Debug, Default)]
pub struct GlobalOptions {
    /// The directory under which every component keeps its own.
    pub data_dir: Option<PathBuf>,
    /// The topology's acknowledgement setting.
    pub acknowledgements: AcknowledgementsConfig,
    /// The topology's proxy.
    pub proxy: ProxyConfig,
}

impl GlobalOptions {
    /// The directory of the component `subdir`, made when it is missing.
    ///
    /// # Errors
    ///
    /// When there is no data directory, or it cannot be written to.
    pub fn resolve_and_make_data_subdir(&self, local: Option<&Path>, subdir: &str) -> crate::Result<PathBuf> {
        let data_dir = local
            .or(self.data_dir.as_deref())
            .ok_or("data_dir is not set; write data_dir = \"/var/lib/office365-source\" at the top of the file")?;
        let directory = data_dir.join(subdir);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        // What is known of a tenant's audit log is for this program's user only.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&directory).map_err(|error| {
            format!(
                "data_dir: cannot create {}: {error}; create it, or give the user this program runs as the right to \
                 write to {}",
                directory.display(),
                data_dir.display()
            )
        })?;
        Ok(directory)
    }
}

/// Everything a source is given to run.
#[derive(Debug)]
pub struct SourceContext {
    /// The component's name.
    pub key: ComponentKey,
    /// Settings shared by all components.
    pub globals: GlobalOptions,
    /// When to stop.
    pub shutdown: ShutdownSignal,
    /// Where events go.
    pub out: SourceSender,
    /// The proxy of this component, already merged with the topology's.
    pub proxy: ProxyConfig,
    /// Whether a sink behind this source asks for acknowledgements.
    pub acknowledgements: bool,
    /// Where metadata goes by default.
    pub log_namespace: LogNamespace,
    /// What the embedding program adds.
    pub extra_context: ExtraContext,
}

impl SourceContext {
    /// A context with defaults: no shutdown, acknowledgements on.
    pub fn new(key: impl Into<ComponentKey>, globals: GlobalOptions, out: SourceSender) -> Self {
        Self {
            key: key.into(),
            proxy: globals.proxy.clone(),
            globals,
            shutdown: ShutdownSignal::noop(),
            out,
            acknowledgements: true,
            log_namespace: LogNamespace::default(),
            extra_context: ExtraContext::default(),
        }
    }

    /// Whether to wait for delivery, by the component's own setting, else the topology's, else the sinks'.
    pub fn do_acknowledgements(&self, config: AcknowledgementsConfig) -> bool {
        config.or(self.globals.acknowledgements).enabled.unwrap_or(self.acknowledgements)
    }
}
