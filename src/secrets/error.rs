//! Why a secret cannot be read.

use std::{io, path::PathBuf};

use http::StatusCode;
use snafu::Snafu;

use crate::transport::{SetupError, TransportError, TransportFailure};

/// Why a secret cannot be read. Never holds any part of the secret.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum SecretError {
    /// The environment variable is not set.
    #[snafu(display("{key}: the environment variable {name} is not set. Set it, or write {{ file = \"…\" }}."))]
    Unset {
        /// The full path of the key.
        key: String,
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[snafu(display(
        "{key}: cannot read the file {}: {source}. Write the path of a file that this process may read.", path.display()
    ))]
    Unreadable {
        /// The full path of the key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What was read cannot be a secret.
    #[snafu(display("{key}: {place} {problem}. Store the secret's value there, and nothing else."))]
    NoSecret {
        /// The full path of the key.
        key: String,
        /// Where the secret was looked for.
        place: String,
        /// What is there instead.
        problem: &'static str,
    },
    /// A command gave none.
    #[snafu(display("{key}: the command {program} {problem}"))]
    Command {
        /// The full path of the key.
        key: String,
        /// The command, without its arguments.
        program: String,
        /// What it did instead.
        problem: CommandProblem,
    },
    /// A store of secrets gave none.
    #[snafu(display("{key}: {service} at {address} {problem}"))]
    Service {
        /// The full path of the key.
        key: String,
        /// Which store, such as `Vault`.
        service: &'static str,
        /// Its address.
        address: String,
        /// What it did instead.
        problem: ServiceProblem,
    },
    /// The way to a store of secrets cannot be prepared.
    #[snafu(display("{key}.{table}.{}", source.to_string().trim_start_matches("tls.")))]
    Setup {
        /// The full path of the key.
        key: String,
        /// The store's own table below it, such as `vault`.
        table: &'static str,
        /// Why not.
        #[snafu(source(from(SetupError, Box::new)))]
        source: Box<SetupError>,
    },
}

/// What a command did instead of printing a secret. Holds nothing that it printed to its standard output.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum CommandProblem {
    /// It did not start.
    #[snafu(display("cannot be started: {detail}. Write the full path of a program that this process may run."))]
    Start {
        /// What the operating system said.
        detail: String,
    },
    /// It took too long.
    #[snafu(display("did not end within {seconds} seconds and was killed. Make it ask nothing of a terminal."))]
    Hung {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It printed too much.
    #[snafu(display("printed more than 64 KiB and was killed. Make it print the secret, and nothing else."))]
    TooLong,
    /// It failed.
    #[snafu(display(
        "failed ({status}{}). Run it by hand as this process's user: what it writes is not shown here, as a secret may be in it.",
        code.as_ref().map_or_else(String::new, |code| format!(", {code}"))
    ))]
    Failed {
        /// Such as `exit status: 1`.
        status: String,
        /// The code of an error of CyberArk's, such as `APPAP004E`, if it wrote one.
        code: Option<String>,
    },
    /// What it printed is not what was promised.
    #[snafu(display("{problem}"))]
    Output {
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// What a store of secrets did instead of giving one.
#[derive(Clone, Debug, Snafu)]
pub enum ServiceProblem {
    /// There was no answer.
    #[snafu(display(
        "does not answer: {}. Check its address, the firewall, and ca_file if its certificate is not from a public authority.",
        source.detail()
    ))]
    Unreachable {
        /// What happened.
        source: TransportError,
    },
    /// It cannot answer now.
    #[snafu(display("cannot answer now (HTTP {status}){}.", because(said)))]
    Busy {
        /// Its status.
        status: StatusCode,
        /// What it said, made fit for a log line; may be empty.
        said: String,
    },
    /// It refused.
    #[snafu(display("refuses (HTTP {status}){}. {advice}", because(said)))]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said, made fit for a log line; may be empty.
        said: String,
        /// What to change.
        advice: String,
    },
    /// It is not what it should be.
    #[snafu(display("answers something else than {expected} (HTTP {status}). {advice}"))]
    Foreign {
        /// What was expected.
        expected: &'static str,
        /// Its status.
        status: StatusCode,
        /// What to change.
        advice: &'static str,
    },
    /// The answer holds no secret.
    #[snafu(display("gives no secret: {problem}"))]
    Empty {
        /// What is wrong, and what to do.
        problem: String,
    },
}

fn because(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl SecretError {
    /// Whether the same request may succeed later with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Service { problem: ServiceProblem::Busy { .. }, .. }
            | Self::Command { problem: CommandProblem::Hung { .. }, .. } => true,
            Self::Service { problem: ServiceProblem::Unreachable { source }, .. } => {
                source.failure() != TransportFailure::Request
            }
            _ => false,
        }
    }
}
