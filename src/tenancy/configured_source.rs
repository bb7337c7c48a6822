//! A source as the configuration file has it, whether it runs or not.

use std::path::{Path, PathBuf};

use snafu::{OptionExt, Snafu};

use crate::config::{Mode, Office365Config, ProxyConfig, SourceEntry, TopologyConfig};

/// A source of a configuration file.
#[derive(Clone, Copy, Debug)]
pub struct ConfiguredSource<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is written about it.
    pub config: &'a Office365Config,
    /// `data_dir` of the file.
    pub data_dir: &'a Path,
    /// `proxy` of the file.
    pub proxy: &'a ProxyConfig,
}

/// Why it is not clear which source is meant.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum ChoiceError {
    /// No source has this name.
    #[snafu(display("--source {name}: there is no such source in the file; write --source {choices}"))]
    Unknown {
        /// Which name.
        name: String,
        /// Those that there are.
        choices: String,
    },
    /// There are several.
    #[snafu(display("the file has several sources; write --source {choices}"))]
    Several {
        /// Those that there are.
        choices: String,
    },
    /// There is none.
    #[snafu(display("the file has no source; write a [sources.m365] table with type = \"office365\""))]
    Nothing,
}

impl<'a> ConfiguredSource<'a> {
    /// The sources of a file, in the order of their names.
    pub fn all(topology: &'a TopologyConfig) -> Vec<Self> {
        let source = |(name, SourceEntry::Office365(config)): (&'a String, &'a SourceEntry)| Self {
            name,
            config,
            data_dir: &topology.data_dir,
            proxy: &topology.proxy,
        };
        topology.sources.iter().map(source).collect()
    }

    /// The source that is meant: the named one, or the only one.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or there are several and none is named.
    pub fn choose(topology: &'a TopologyConfig, name: Option<&str>) -> Result<Self, ChoiceError> {
        Self::among(&Self::all(topology), name)
    }

    /// As [`choose`](Self::choose), except that without a name the only one in mode `webhook` is meant.
    ///
    /// # Errors
    ///
    /// As there. A source in another mode is no error.
    pub fn choose_webhook(topology: &'a TopologyConfig, name: Option<&str>) -> Result<Self, ChoiceError> {
        let all = Self::all(topology);
        let webhook: Vec<_> = all.iter().copied().filter(|source| source.config.mode == Mode::Webhook).collect();
        Self::among(if name.is_some() || webhook.is_empty() { &all } else { &webhook }, name)
    }

    fn among(sources: &[Self], name: Option<&str>) -> Result<Self, ChoiceError> {
        let choices = || sources.iter().map(|source| source.name).collect::<Vec<_>>().join(" or --source ");
        match (name, sources) {
            (_, []) => NothingSnafu.fail(),
            (Some(name), _) => sources
                .iter()
                .find(|source| source.name == name)
                .copied()
                .with_context(|| UnknownSnafu { name, choices: choices() }),
            (None, [only]) => Ok(*only),
            (None, _) => SeveralSnafu { choices: choices() }.fail(),
        }
    }

    /// Where it stands in the file, such as `sources.m365`.
    pub fn key(&self) -> String {
        format!("sources.{}", self.name)
    }

    /// The directory in which it keeps its ledger.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Format, parse};

    fn topology(modes: &[(&str, &str)]) -> TopologyConfig {
        let names: Vec<_> = modes.iter().map(|(name, _)| *name).collect();
        let sources = modes.iter().map(|(name, mode)| {
            format!(
                r#"
                [sources.{name}]
                type = "office365"
                mode = "{mode}"
                auth = {{ client_id = "11111111-2222-4333-8444-555555555555", client_secret = "s" }}
                tenants = [{{ id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62" }}]
                [sources.{name}.webhook]
                listen = "127.0.0.1:0"
                public_url = "https://demo.example.com/wh/o365/"
                tls = {{ enabled = false }}
                "#
            )
        });
        let sinks = format!("[sinks.out]\ntype = \"console\"\ninputs = {names:?}\n");
        let text = sources.chain([sinks]).collect::<String>();
        parse(&text, Format::Toml).unwrap()
    }

    #[test]
    fn the_only_one_is_meant_and_one_of_several_must_be_named() {
        let one = topology(&[("a", "poll")]);
        assert_eq!(ConfiguredSource::choose(&one, None).unwrap().name, "a");
        let two = topology(&[("a", "poll"), ("b", "webhook")]);
        let error = ConfiguredSource::choose(&two, None).unwrap_err().to_string();
        assert_eq!(error, "the file has several sources; write --source a or --source b");
        let error = ConfiguredSource::choose(&two, Some("c")).unwrap_err().to_string();
        assert!(error.ends_with("write --source a or --source b"), "{error}");
        let chosen = ConfiguredSource::choose(&two, Some("b")).unwrap();
        assert_eq!((chosen.name, chosen.key().as_str()), ("b", "sources.b"));
        assert!(chosen.directory().ends_with("b"));
    }

    #[test]
    fn mode_webhook_goes_first_where_it_is_needed() {
        let two = topology(&[("a", "poll"), ("b", "webhook")]);
        assert_eq!(ConfiguredSource::choose_webhook(&two, None).unwrap().name, "b");
        assert_eq!(ConfiguredSource::choose_webhook(&two, Some("a")).unwrap().name, "a");
        let three = topology(&[("a", "poll"), ("b", "webhook"), ("c", "webhook")]);
        let error = ConfiguredSource::choose_webhook(&three, None).unwrap_err().to_string();
        assert_eq!(error, "the file has several sources; write --source b or --source c");
        let poll = topology(&[("a", "poll")]);
        assert_eq!(
            ConfiguredSource::choose_webhook(&poll, None).unwrap().name,
            "a",
            "the mode is reported where it matters"
        );
    }
}
