//! The connection to the servers of the state.

use std::fmt::Display;

use async_nats::{
    Client, ConnectOptions,
    jetstream::{
        self, Context, ErrorCode,
        context::{CreateStreamErrorKind, GetStreamErrorKind},
        stream::{Config, DiscardPolicy, StorageType, Stream},
    },
};
use chrono::Utc;
use secrecy::ExposeSecret;
use snafu::ensure;
use tokio::time::sleep;

use super::{
    bucket::{Bucket, ELECTION, MOST_TRIES, PATIENCE},
    error::{BucketSnafu, ConnectSnafu, DiffersSnafu, ForbiddenSnafu, NatsError, OptionsSnafu, TooOldSnafu},
    options::{NatsLogin, NatsOptions},
    refusals::Refusals,
};

/// The first version with atomic batches.
const OLDEST: (i64, i64) = (2, 12);

/// A connection to servers that can hold the bucket.
pub(super) struct Connection {
    pub client: Client,
    pub context: Context,
    /// The name of the bucket.
    pub name: String,
    refusals: Refusals,
}

impl Connection {
    pub async fn open(options: &NatsOptions) -> Result<Self, NatsError> {
        let refusals = Refusals::default();
        let heard = refusals.clone();
        let connect = connect(options).await?.event_callback(move |event| {
            heard.hear(&event);
            async {}
        });
        let client = connect.connect(options.servers.as_slice()).await.map_err(|error| {
            let (servers, detail) = (options.servers.join(", "), error.to_string());
            ConnectSnafu { servers, advice: advice(&options.login, &detail), detail }.build()
        })?;
        let version = client.server_info().version;
        ensure!(client.is_server_compatible(OLDEST.0, OLDEST.1, 0), TooOldSnafu { version });
        Ok(Self { context: jetstream::new(client.clone()), client, name: bucket_name(&options.prefix), refusals })
    }

    /// What `work` comes to, unless a server refuses something meanwhile.
    pub async fn unless_refused<T>(&self, work: impl Future<Output = Result<T, NatsError>>) -> Result<T, NatsError> {
        tokio::select! {
            outcome = work => outcome,
            refusal = self.refusals.first() => ForbiddenSnafu { refusal }.fail(),
        }
    }

    /// Opens the stream of the bucket, or makes it. Servers that have just started need a moment to elect those that decide about it.
    pub async fn make(&self, wanted: &Config) -> Result<Stream, NatsError> {
        let mut tries = 0;
        loop {
            let error = match self.context.get_or_create_stream(wanted.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            tries += 1;
            let may_pass = match error.kind() {
                CreateStreamErrorKind::TimedOut => true,
                CreateStreamErrorKind::JetStream(refusal) => {
                    // The last one: another member makes it at the same time, with another first sequence.
                    [ErrorCode::CLUSTER_NOT_AVAILABLE, ErrorCode::CLUSTER_NO_PEERS, ErrorCode::STREAM_NAME_EXIST]
                        .contains(&refusal.error_code())
                }
                _ => false,
            };
            if !may_pass || tries == MOST_TRIES {
                return Err(self.refused(error));
            }
            sleep(ELECTION).await;
        }
    }

    /// The stream of the bucket, if there is one.
    pub async fn existing_stream(&self) -> Result<Option<Stream>, NatsError> {
        match self.context.get_stream(self.stream()).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(None)
                }
                _ => Err(self.refused(error)),
            },
        }
    }

    /// The name of the stream of the bucket.
    pub fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    /// The bucket, which must exist.
    pub async fn bucket(&self) -> Result<Bucket, NatsError> {
        let stream = self.context.get_stream_no_info(self.stream()).await.map_err(|error| self.refused(error))?;
        Ok(Bucket::of(self, stream))
    }

    /// How the stream of the bucket is to be.
    pub fn wanted(&self, options: &NatsOptions) -> Config {
        Config {
            name: self.stream(),
            description: Some("State of office365-source".to_owned()),
            subjects: vec![format!("$KV.{}.>", self.name)],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: options.replicas,
            allow_atomic_publish: true,
            allow_message_ttl: true,
            allow_rollup: true,
            deny_delete: true,
            // A fence compares sequences. Those of a bucket that is made anew are beyond all that a member of the one before knows.
            first_sequence: u64::try_from(Utc::now().timestamp_micros()).ok(),
            ..Config::default()
        }
    }

    pub fn refused(&self, error: impl Display) -> NatsError {
        BucketSnafu { bucket: &self.name, detail: error.to_string() }.build()
    }
}

/// What the bucket of collectors with a prefix is called.
pub(super) fn bucket_name(prefix: &str) -> String {
    format!("{prefix}_state")
}

async fn connect(options: &NatsOptions) -> Result<ConnectOptions, NatsError> {
    let connect = ConnectOptions::new()
        .name("office365-source")
        .require_tls(options.requires_tls)
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE));
    let connect = match &options.tls {
        Some(tls) => connect.tls_client_config(tls.clone()),
        None => connect,
    };
    Ok(match &options.login {
        NatsLogin::Anonymous => connect,
        NatsLogin::CredentialsFile(path) => connect.credentials_file(path).await.map_err(|error| {
            let detail = format!("cannot read {}: {error}; write the path of a file that `nsc` made", path.display());
            OptionsSnafu { key: "credentials_file", detail }.build()
        })?,
        NatsLogin::Token(token) => connect.token(token.expose_secret().to_owned()),
        NatsLogin::User { name, password } => {
            connect.user_and_password(name.clone(), password.expose_secret().to_owned())
        }
        NatsLogin::Nkey(seed) => {
            if nkeys::KeyPair::from_seed(seed.expose_secret()).is_err() {
                let detail = "is no seed of an NKey; that of a user begins with SU";
                return OptionsSnafu { key: "nkey", detail }.fail();
            }
            connect.nkey(seed.expose_secret().to_owned())
        }
    })
}

/// What to do when no server lets this program in.
fn advice(login: &NatsLogin, detail: &str) -> String {
    if detail.contains("authorization violation") {
        let key = match login {
            NatsLogin::Anonymous => {
                return "the servers want a log-in: write state.credentials_file, state.nkey, state.token, or state.user and state.password"
                    .to_owned();
            }
            NatsLogin::CredentialsFile(_) => "credentials_file",
            NatsLogin::Token(_) => "token",
            NatsLogin::User { .. } => "user and state.password",
            NatsLogin::Nkey(_) => "nkey",
        };
        return format!("the servers do not take the log-in; check state.{key}");
    }
    if detail.contains("InvalidContentType") {
        return "the servers have no TLS: write nats:// in place of tls://, and leave state.tls out".to_owned();
    }
    "check that a server runs there, that this machine reaches it, and state.tls where the servers want TLS".to_owned()
}

/// Whether a stream that exists is what the state relies on. A server that does not know a setting leaves it out.
pub(super) fn compare(found: &Config, wanted: &Config) -> Result<(), NatsError> {
    let settings = [
        (
            "max_msgs_per_subject",
            found.max_messages_per_subject.to_string(),
            wanted.max_messages_per_subject.to_string(),
        ),
        ("allow_atomic", found.allow_atomic_publish.to_string(), "true".to_owned()),
        ("allow_msg_ttl", found.allow_message_ttl.to_string(), "true".to_owned()),
        ("max_age", found.max_age.as_secs().to_string(), "0".to_owned()),
        ("max_bytes", found.max_bytes.max(-1).to_string(), "-1".to_owned()),
        ("max_msgs", found.max_messages.max(-1).to_string(), "-1".to_owned()),
        ("max_msg_size", found.max_message_size.max(-1).to_string(), "-1".to_owned()),
        ("max_consumers", found.max_consumers.max(-1).to_string(), "-1".to_owned()),
        ("retention", format!("{:?}", found.retention), format!("{:?}", wanted.retention)),
        ("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage)),
        ("discard_new_per_subject", found.discard_new_per_subject.to_string(), "false".to_owned()),
        ("discard", format!("{:?}", found.discard), format!("{:?}", wanted.discard)),
        ("num_replicas", found.num_replicas.to_string(), wanted.num_replicas.to_string()),
        ("subjects", found.subjects.join(" "), wanted.subjects.join(" ")),
    ];
    for (setting, found, expected) in settings {
        ensure!(found == expected, DiffersSnafu { stream: &wanted.name, setting, found, expected });
    }
    Ok(())
}
