//! Tenants of a source that may not be running: the process that has the ledger answers.

use std::{collections::BTreeMap, path::PathBuf};

use snafu::{ResultExt, Snafu};

use super::{Administration, Answer, ConfiguredSource, Question, TenancyError, TenantEntry, answer};
#[cfg(feature = "nats")]
use super::{question::Access, shared::SharedState};
use crate::{
    config::StateKind,
    content::TenantId,
    ledger::{LedgerError, RedbLedger},
    tenants::Tenants,
    transport::SetupError,
};

/// An answer, and whose it is.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// Whether a source that runs gave it.
    pub running: bool,
    /// Tenants that it says nothing about, because other collectors work on them, with the names of their machines. Of a source that
    /// runs, none are known.
    pub elsewhere: BTreeMap<TenantId, String>,
}

/// Why there is no answer.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum AskError {
    /// A source runs and cannot be talked to.
    #[cfg(unix)]
    #[snafu(display(
        "the source that runs with {} does not answer: {source}. Try again in a moment; if it stays so, run this as its user or \
         as root, or stop the source first, and start it afterwards",
        directory.display()
    ))]
    Silent {
        /// Its directory.
        directory: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// This user may not ask.
    #[cfg(unix)]
    #[snafu(display(
        "this user may not ask the source of {}, nor see whether it runs (no permission); run this as its user, or as root",
        directory.display()
    ))]
    Denied {
        /// Its directory.
        directory: PathBuf,
    },
    /// A source runs and has no control socket.
    #[snafu(display(
        "a source runs with {} and cannot be asked; stop it first, and start it afterwards",
        directory.display()
    ))]
    InUse {
        /// Its directory.
        directory: PathBuf,
    },
    /// There is no room for a temporary ledger.
    #[snafu(display(
        "cannot make a directory for temporary files: {source}; set TMPDIR to one that can be written to"
    ))]
    Temporary {
        /// Why not.
        source: std::io::Error,
    },
    /// The way to shared state is not clear.
    #[cfg(feature = "nats")]
    #[snafu(display("{source}"))]
    Shared {
        /// Why not.
        #[snafu(source(false))]
        source: crate::Error,
    },
    /// The ledger failed.
    #[snafu(display("{source}"))]
    Ledger {
        /// How.
        source: LedgerError,
    },
    /// The way to Microsoft cannot be prepared.
    #[snafu(display("{source}"))]
    Setup {
        /// Why not.
        source: SetupError,
    },
}

/// Asks the running source, or answers in its place when none runs. Never makes a ledger.
///
/// # Errors
///
/// When a source runs that does not answer, or the ledger fails. A refused question is an [`Answer`].
pub async fn ask_source(source: ConfiguredSource<'_>, question: &Question) -> Result<Answered, AskError> {
    let mut connection = Connection::new(source);
    let answered = connection.ask(question).await;
    connection.close().await;
    answered
}

/// Asks the running source. `None` when none runs, or it cannot be asked on this system. Leaves the ledger to a source that starts.
///
/// # Errors
///
/// When a source runs that does not answer. A refused question is an [`Answer`].
#[cfg(unix)]
pub async fn ask_running(source: ConfiguredSource<'_>, question: &Question) -> Result<Option<Answer>, AskError> {
    let directory = source.directory();
    match super::control::ask(&directory, question).await {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => DeniedSnafu { directory }.fail(),
        // The path is too long for a socket, so that no source has one there.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(None),
        answer => answer.context(SilentSnafu { directory }),
    }
}

#[cfg(not(unix))]
pub async fn ask_running(_: ConfiguredSource<'_>, _: &Question) -> Result<Option<Answer>, AskError> {
    Ok(None)
}

/// The way to a source for several questions: a ledger that was opened for one stays open for the next.
#[derive(Debug)]
pub struct Connection<'a> {
    source: ConfiguredSource<'a>,
    opened: Option<Opened>,
    running: bool,
}

#[derive(Debug)]
enum Opened {
    /// The ledger of this machine.
    Embedded(Box<Administration>),
    /// That of several collectors.
    #[cfg(feature = "nats")]
    Shared(Box<SharedState>),
}

impl Opened {
    async fn answer(&mut self, question: &Question) -> Result<Answered, AskError> {
        Ok(match self {
            Self::Embedded(administration) => offline(answer(administration, question.clone()).await),
            #[cfg(feature = "nats")]
            Self::Shared(shared) => {
                match question.access() {
                    Access::None => {}
                    Access::Look => shared.view(question.tenant()).await?,
                    Access::Change => shared.borrow(question.tenant()).await?,
                }
                let answer = answer(&shared.administration, question.clone()).await;
                Answered { elsewhere: shared.elsewhere.clone(), ..offline(answer) }
            }
        })
    }
}

fn offline(answer: Answer) -> Answered {
    Answered { answer, running: false, elsewhere: BTreeMap::new() }
}

impl<'a> Connection<'a> {
    /// A way to a source. Nothing is opened yet.
    pub const fn new(source: ConfiguredSource<'a>) -> Self {
        Self { source, opened: None, running: false }
    }

    /// The source's name.
    pub const fn name(&self) -> &str {
        self.source.name
    }

    /// Whether a source that runs gave the last answer.
    pub const fn runs(&self) -> bool {
        self.running
    }

    /// As [`ask_source`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn ask(&mut self, question: &Question) -> Result<Answered, AskError> {
        if self.opened.is_none() {
            let answer = ask_running(self.source, question).await?;
            self.running = answer.is_some();
            if let Some(answer) = answer {
                return Ok(Answered { running: true, ..offline(answer) });
            }
            self.opened = self.open().await?;
        }
        match &mut self.opened {
            Some(opened) => opened.answer(question).await,
            None => Ok(offline(answer_without_ledger(self.source, question).await?)),
        }
    }

    /// Opens the state, if there is any.
    async fn open(&self) -> Result<Option<Opened>, AskError> {
        match self.source.config.state.kind {
            StateKind::Embedded => {
                let directory = self.source.directory();
                Ok(if RedbLedger::exists(&directory) {
                    Some(Opened::Embedded(Box::new(Administration::in_directory(self.source, &directory).await?)))
                } else {
                    None
                })
            }
            #[cfg(feature = "nats")]
            StateKind::Nats => {
                Ok(Box::pin(SharedState::open(self.source)).await?.map(|shared| Opened::Shared(Box::new(shared))))
            }
            // What an earlier time has left here is not the state.
            #[cfg(not(feature = "nats"))]
            StateKind::Nats => Ok(None),
        }
    }

    /// Gives back what was taken for the questions. Without it, other collectors wait until a lease ends.
    #[cfg_attr(
        not(feature = "nats"),
        expect(clippy::unused_async, reason = "without NATS there is nothing to give back")
    )]
    pub async fn close(self) {
        #[cfg(feature = "nats")]
        if let Some(Opened::Shared(shared)) = self.opened {
            shared.give_back().await;
        }
    }
}

/// Why nothing is known here.
fn no_ledger(source: ConfiguredSource<'_>) -> String {
    match source.config.state.kind {
        StateKind::Embedded => format!(
            "there is no ledger in {}: the source has not run yet, or with another data_dir",
            source.directory().display()
        ),
        StateKind::Nats => format!(
            "there is no state in NATS with state.prefix = \"{}\": no collector has run yet, or all have another prefix",
            source.config.state.prefix
        ),
    }
}

/// A source that has never run knows what its configuration says.
async fn answer_without_ledger(source: ConfiguredSource<'_>, question: &Question) -> Result<Answer, AskError> {
    let tenants = Tenants::new(&source.config.tenants, &[]);
    let refused = |error: TenancyError| Answer::Refused { problem: error.to_string() };
    let entry = |(id, tenant): (TenantId, crate::tenants::Tenant)| TenantEntry {
        id,
        domain: tenant.domain.as_deref().map(str::to_owned),
        configured: true,
        registered: None,
    };
    Ok(match question {
        Question::List => Answer::Tenants { tenants: tenants.all().into_iter().map(entry).collect() },
        Question::SetDomain { tenant: id, .. } => match tenants.get(*id) {
            None => refused(TenancyError::Unknown { id: *id }),
            Some(tenant) if tenant.domain_configured => refused(TenancyError::DomainConfigured { id: *id }),
            Some(_) => Answer::Refused {
                problem: format!(
                    "there is no ledger in {} to keep the domain in: the source has not run yet, or with another data_dir. \
                     Write the domain in the configuration file, beside the tenant's id",
                    source.directory().display()
                ),
            },
        },
        Question::Remove { tenant: id } if tenants.contains(*id) => refused(TenancyError::Configured { id: *id }),
        Question::Remove { tenant: id } => refused(TenancyError::Unknown { id: *id }),
        Question::State
        | Question::RetryDead { .. }
        | Question::Coverage { .. }
        | Question::Compare { .. }
        | Question::Export { .. } => Answer::Refused { problem: no_ledger(source) },
        // Microsoft knows of subscriptions without a ledger. A first run finds those that are started here.
        Question::Subscriptions { .. } | Question::ChangeSubscriptions { .. } => {
            let directory = tempfile::TempDir::with_prefix("office365-source-").context(TemporarySnafu)?;
            answer(&Administration::in_directory(source, directory.path()).await?, question.clone()).await
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chrono::{DateTime, TimeDelta};
    use uuid::Uuid;

    use super::*;
    use crate::{
        config::{AuthConfig, Office365Config, ProxyConfig, SecretRef, TenantConfig},
        ledger::{TenantRecord, TenantStore},
    };

    fn id(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    /// Tenant 1 with a domain, tenant 2 without.
    fn config() -> Office365Config {
        let auth = AuthConfig::with_secret(id(9).0, SecretRef::from("hunter2"));
        let tenants = vec![
            TenantConfig { id: id(1), domain: Some("one.example".to_owned()), auth: None },
            TenantConfig { id: id(2), domain: None, auth: None },
        ];
        // No process listens there.
        let nowhere = Some("http://127.0.0.1:9".parse().unwrap());
        let config = Office365Config::new(auth, tenants);
        Office365Config {
            endpoint: nowhere.clone(),
            auth_endpoint: nowhere,
            publisher_identifier: Some(id(1).0),
            ..config
        }
    }

    async fn ask(config: &Office365Config, data_dir: &std::path::Path, question: Question) -> Answer {
        let source = ConfiguredSource { name: "m365", config, data_dir, proxy: &ProxyConfig::default() };
        let answered = ask_source(source, &question).await.unwrap();
        assert!(!answered.running);
        answered.answer
    }

    fn refusal(answer: Answer) -> String {
        match answer {
            Answer::Refused { problem } => problem,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn without_a_ledger_the_configuration_answers_and_none_is_made() {
        let (config, data_dir) = (config(), tempfile::tempdir().unwrap());
        let Answer::Tenants { tenants } = ask(&config, data_dir.path(), Question::List).await else { panic!() };
        let shown: Vec<_> = tenants.iter().map(|entry| (entry.id, entry.domain.as_deref(), entry.configured)).collect();
        assert_eq!(shown, [(id(1), Some("one.example"), true), (id(2), None, true)]);
        let set = |tenant| Question::SetDomain { tenant: id(tenant), domain: Some("x.example".to_owned()) };
        for (question, expected) in [
            (set(1), "stands in the configuration file"),
            (set(2), "there is no ledger in"),
            (set(3), "is not collected"),
            (Question::Remove { tenant: id(1) }, "stands in the configuration file"),
            (Question::Remove { tenant: id(3) }, "is not collected"),
        ] {
            let problem = refusal(ask(&config, data_dir.path(), question).await);
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(fs::read_dir(data_dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn with_a_ledger_tenants_are_changed_in_it() {
        let (config, data_dir) = (config(), tempfile::tempdir().unwrap());
        let directory = data_dir.path().join("m365");
        fs::create_dir(&directory).unwrap();
        {
            let ledger = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
            let record = TenantRecord { id: id(3), domain: None, registered: Some(DateTime::UNIX_EPOCH) };
            ledger.put_tenant(record).await.unwrap();
        }
        let domain = Some("three.example".to_owned());
        let set = Question::SetDomain { tenant: id(3), domain: domain.clone() };
        assert_eq!(ask(&config, data_dir.path(), set).await, Answer::Done);
        let Answer::Tenants { tenants } = ask(&config, data_dir.path(), Question::List).await else { panic!() };
        let registered = TenantEntry { id: id(3), domain, configured: false, registered: Some(DateTime::UNIX_EPOCH) };
        assert_eq!(tenants[2], registered);

        let Answer::Removed { removal } = ask(&config, data_dir.path(), Question::Remove { tenant: id(3) }).await
        else {
            panic!()
        };
        assert_eq!(removal.blobs_dropped, 0);
        let unstopped: Vec<_> = removal.still_subscribed.iter().map(|(content_type, _)| *content_type).collect();
        assert_eq!(unstopped, config.content_types, "there is nobody to stop them");
        let Answer::Tenants { tenants } = ask(&config, data_dir.path(), Question::List).await else { panic!() };
        assert_eq!(tenants.len(), 2);
    }

    #[tokio::test]
    async fn a_ledger_in_use_says_to_stop_the_source() {
        let (config, data_dir) = (config(), tempfile::tempdir().unwrap());
        let directory = data_dir.path().join("m365");
        fs::create_dir(&directory).unwrap();
        let _held = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
        let source = ConfiguredSource {
            name: "m365",
            config: &config,
            data_dir: data_dir.path(),
            proxy: &ProxyConfig::default(),
        };
        let error = ask_source(source, &Question::List).await.unwrap_err().to_string();
        assert!(error.contains("cannot be asked; stop it first"), "{error}");
    }
}
