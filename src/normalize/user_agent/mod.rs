//! What a user agent says about itself, read with the patterns of the uap-core project.

use std::sync::Arc;

/// A user agent. What the patterns do not know is absent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct UserAgent {
    /// The application.
    pub(crate) name: Option<String>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// The operating system.
    pub(crate) os_name: Option<String>,
    /// Its version.
    pub(crate) os_version: Option<String>,
}

#[cfg(feature = "user-agent")]
mod patterns;

#[cfg(feature = "user-agent")]
mod parser {
    use std::{
        num::NonZeroUsize,
        sync::{Mutex, PoisonError},
    };

    use lru::LruCache;

    use super::{Arc, UserAgent, patterns::read};

    /// So many user agents are remembered. Reading one takes some microseconds; a tenant has some thousands of them, and events in
    /// their millions.
    const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

    /// Longer ones are no user agents.
    const MAX_LENGTH: usize = 512;

    /// Reads user agents, and remembers what it has read.
    pub(crate) struct UserAgents {
        known: Mutex<LruCache<Box<str>, Arc<UserAgent>>>,
    }

    impl UserAgents {
        pub(crate) fn new() -> Self {
            Self { known: Mutex::new(LruCache::new(REMEMBERED)) }
        }

        /// What `text` says; `None` if it is too long.
        pub(crate) fn parse(&self, text: &str) -> Option<Arc<UserAgent>> {
            if text.len() > MAX_LENGTH {
                return None;
            }
            let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(agent) = known().get(text) {
                return Some(Arc::clone(agent));
            }
            // Not under the lock: other events go on meanwhile.
            let agent = Arc::new(read(text));
            known().put(text.into(), Arc::clone(&agent));
            Some(agent)
        }
    }
}

#[cfg(not(feature = "user-agent"))]
mod parser {
    use super::{Arc, UserAgent};

    /// Stands where builds with the feature `user-agent` have a parser.
    pub(crate) struct UserAgents;

    impl UserAgents {
        pub(crate) const fn new() -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "the parser's signature")]
        pub(crate) const fn parse(&self, _text: &str) -> Option<Arc<UserAgent>> {
            None
        }
    }
}

pub(crate) use parser::UserAgents;

impl std::fmt::Debug for UserAgents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgents").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "user-agent"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn browsers_and_clients_are_known_and_nonsense_is_not() {
        let agents = UserAgents::new();
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
                    Safari/537.36 Edg/131.0.0.0";
        let found = agents.parse(edge).unwrap();
        assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("Edge"), Some("131.0.0")));
        assert_eq!((found.os_name.as_deref(), found.os_version.as_deref()), (Some("Windows"), Some("10")));
        assert!(Arc::ptr_eq(&found, &agents.parse(edge).unwrap()), "it is remembered");
        let short = agents.parse("HTTPClient/1.0 (2.8.3, ruby 2.5.5 (2019-03-15))").unwrap();
        assert_eq!((short.name.as_deref(), short.version.as_deref()), (Some("HTTPClient"), Some("1.0")));
        assert_eq!(*agents.parse("BAV2ROPC").unwrap(), UserAgent::default());
        assert_eq!(agents.parse(&"x".repeat(513)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_text_can_be_read(
            text in "\\PC{0,60}|(Mac OS X |Win|Firefox/|os/macos|CFNetwork/ Darwin/2[234]\\.|Explorer/|Watch)[0-9.,a;() ]{0,20}",
        ) {
            UserAgents::new().parse(&text);
        }
    }
}
