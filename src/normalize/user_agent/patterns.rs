//! The patterns of the uap-core project, compiled.

use std::sync::LazyLock;

use serde::Deserialize;
use ua_parser::{os, user_agent};

use super::UserAgent;

/// `regexes.yaml` of uap-core as JSON, without its patterns of devices.
const PATTERNS: &str = include_str!("patterns.json");

/// The word of uap-core for what it does not know.
const UNKNOWN: &str = "Other";

#[derive(Deserialize)]
struct Patterns {
    user_agent_parsers: Vec<user_agent::Parser<'static>>,
    os_parsers: Vec<os::Parser<'static>>,
}

struct Extractors {
    applications: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
}

/// Made for the first user agent: it compiles 600 patterns, which takes some 40 ms and 12 MiB.
static EXTRACTORS: LazyLock<Extractors> = LazyLock::new(extractors);

#[expect(clippy::expect_used, reason = "a constant, which a test reads")]
fn extractors() -> Extractors {
    let patterns: Patterns = serde_json::from_str(PATTERNS).expect("JSON");
    let applications = user_agent::Builder::new().push_all(patterns.user_agent_parsers).expect("patterns");
    let systems = patterns.os_parsers.into_iter().try_fold(os::Builder::new(), os::Builder::push).expect("patterns");
    Extractors { applications: applications.build().expect("patterns"), systems: systems.build().expect("patterns") }
}

/// What a user agent says. Its versions have up to three parts.
pub(super) fn read(text: &str) -> UserAgent {
    let Extractors { applications, systems } = &*EXTRACTORS;
    let application = applications.extract(text);
    let system = systems.extract(text);
    UserAgent {
        name: application.as_ref().and_then(|found| known(&found.family)),
        version: application.as_ref().and_then(|found| version([found.major, found.minor, found.patch])),
        os_name: system.as_ref().and_then(|found| known(&found.os)),
        os_version: system
            .as_ref()
            .and_then(|found| version([&found.major, &found.minor, &found.patch].map(|part| part.as_deref()))),
    }
}

fn known(name: &str) -> Option<String> {
    (!name.is_empty() && name != UNKNOWN).then(|| name.to_owned())
}

/// The parts up to the first that is missing.
fn version(parts: [Option<&str>; 3]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().map_while(|part| part.filter(|part| !part.is_empty())).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}
