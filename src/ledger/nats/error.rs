//! What can go wrong with the shared state, and what an administrator does about it.

use snafu::Snafu;

/// The shared state cannot be used.
///
/// Outages of the servers are none of these once the source runs: it waits until they are over.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum NatsError {
    /// How to reach the servers cannot be used.
    #[snafu(display("state.{key}: {detail}"))]
    Options {
        /// Which key of the configuration.
        key: &'static str,
        /// What is wrong with it, and what to write.
        detail: String,
    },
    /// No server answers, or none lets this program in.
    #[snafu(display("state.servers: cannot connect to NATS at {servers}: {detail}; {advice}"))]
    Connect {
        /// The servers that were tried.
        servers: String,
        /// What the client said.
        detail: String,
        /// What to do.
        advice: String,
    },
    /// The user of this program lacks a permission.
    #[snafu(display(
        "state: NATS refuses what collectors do: {refusal}; give the user of this program the permissions that docs/cluster.md lists"
    ))]
    Forbidden {
        /// What the server said.
        refusal: String,
    },
    /// A server lacks what the state relies on.
    #[snafu(display(
        "state.servers: the NATS server is version {version}; versions before 2.12 ignore atomic batches, on which the state relies. \
         Upgrade all servers to 2.12 or later"
    ))]
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// The bucket could not be made or opened.
    #[snafu(display("state: cannot open the bucket {bucket} of JetStream: {detail}. {}", advice(detail)))]
    Bucket {
        /// Its name.
        bucket: String,
        /// What the server said.
        detail: String,
    },
    /// The bucket exists with another configuration.
    #[snafu(display(
        "state: the stream {stream} of JetStream has {setting} = {found} where {expected} is needed; set it with `nats stream edit \
         {stream}`, or write another state.prefix"
    ))]
    Differs {
        /// The stream of the bucket.
        stream: String,
        /// Which setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// A newer version wrote the bucket.
    #[snafu(display(
        "state: the bucket {bucket} has format {found}, this version knows formats up to {known}; use the newer office365-source that \
         wrote it"
    ))]
    TooNew {
        /// Its name.
        bucket: String,
        /// Its format.
        found: u64,
        /// The newest format that this version knows.
        known: u64,
    },
    /// Something in the bucket is not what this program writes.
    #[snafu(display(
        "state: {subject} cannot be read: {detail}. Somebody else has written it, or the storage of the NATS servers is damaged; delete the \
         row with `nats kv del` if nobody needs it, or stop all collectors and restore the stream from a backup"
    ))]
    Row {
        /// Which row.
        subject: String,
        /// What is wrong.
        detail: String,
    },
    /// An answer did not come, or was a refusal.
    #[snafu(display(
        "state: NATS cannot {task}: {detail}; check that the servers run and have room, and that the user of this program has the \
         permissions that docs/cluster.md lists"
    ))]
    Answer {
        /// What was asked for.
        task: &'static str,
        /// What the client or the server said.
        detail: String,
    },
    /// The bucket is there no longer.
    #[snafu(display(
        "state: the bucket of JetStream was deleted while collectors used it. Restore its stream from a backup now, or just start the \
         collectors again: they make a new one, collect again as far back as start_from says, and send again what they had sent"
    ))]
    Gone,
    /// A run for a time has lost tenants.
    #[snafu(display(
        "state: another collector has taken a tenant of this run, because NATS has not heard of the run for ten seconds. What was delivered \
         counts; check the connection to the servers of state.servers, and run it again"
    ))]
    Lost,
    /// There is no bucket.
    #[snafu(display("state: there is no bucket {bucket} in JetStream; check state.servers and state.prefix"))]
    Nothing {
        /// What it would be called.
        bucket: String,
    },
    /// One server cannot hold several copies.
    #[snafu(display(
        "state: the NATS server is no part of a cluster, so that it cannot hold {replicas} copies; write state.replicas = 1"
    ))]
    Alone {
        /// How many copies are wanted.
        replicas: usize,
    },
    /// The runtime is shutting down.
    #[snafu(display("state: the program is ending"))]
    Stopped,
    /// Another member has taken the tenant. What was to be written about it is not.
    #[snafu(display("another member of the cluster collects this tenant now"))]
    Taken,
}

/// What to do when a bucket cannot be opened.
fn advice(detail: &str) -> &'static str {
    let detail = detail.to_ascii_lowercase();
    if detail.contains("replicas") || detail.contains("no suitable peers") {
        "With one server, write state.replicas = 1; with a cluster, no more than it has servers"
    } else if detail.contains("timed out") {
        "Check that the user of this program has the permissions that docs/cluster.md lists: a server does not answer others"
    } else if ["not enabled", "no responders", "jetstream unavailable", "resource does not exist"]
        .iter()
        .any(|text| detail.contains(text))
    {
        "Turn JetStream on: `jetstream {}` in the servers' configuration, and for the account that this program uses"
    } else {
        "Check that the account may use JetStream, and that there is room"
    }
}
