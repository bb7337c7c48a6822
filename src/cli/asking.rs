//! Asking a source, whether it runs or not, and the person at the terminal.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use tokio::runtime::Builder;

use super::{
    args::{ConfigArgs, SourceArgs},
    exit,
    output::complain,
};
use crate::{
    config::{StateKind, TopologyConfig},
    content::TenantId,
    host, secrets,
    tenancy::{Answer, Answered, AskError, ConfiguredSource, Connection, Question, UNEXPECTED},
};

/// Reads the configuration, and reports what is wrong with it.
pub(super) fn load(args: &ConfigArgs) -> Result<TopologyConfig, ExitCode> {
    secrets::load(&args.config).map_err(|errors| {
        complain(&errors);
        exit::usage()
    })
}

/// The source that is meant.
pub(super) fn choose<'a>(topology: &'a TopologyConfig, name: Option<&str>) -> Result<ConfiguredSource<'a>, ExitCode> {
    ConfiguredSource::choose(topology, name).map_err(|error| {
        complain(&error);
        exit::usage()
    })
}

/// Asks the source that is meant, and shows its answer unless it refuses.
pub(super) fn ask(args: &SourceArgs, question: &Question, show: impl FnOnce(Answered) -> ExitCode) -> ExitCode {
    match answer(args, question) {
        Ok(answered) => show(answered),
        Err(refused) => refused,
    }
}

fn answer(args: &SourceArgs, question: &Question) -> Result<Answered, ExitCode> {
    let topology = load(&args.config)?;
    let source = choose(&topology, args.source.as_deref())?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| failure(&error))?;
    match runtime.block_on(until_stopped(source, question))? {
        Ok(Answered { answer: Answer::Refused { problem }, elsewhere, .. }) => {
            tell_left_out(&elsewhere);
            Err(failure(&problem))
        }
        Ok(answered) => {
            if answered.running {
                tell_of_others(source, question);
            }
            tell_left_out(&answered.elsewhere);
            Ok(answered)
        }
        Err(error) => Err(failure(&error)),
    }
}

/// Asks, and gives back what was taken for that, also when a signal ends it.
async fn until_stopped(
    source: ConfiguredSource<'_>,
    question: &Question,
) -> Result<Result<Answered, AskError>, ExitCode> {
    let stop = host::stop_signal().map_err(|error| failure(&error))?;
    let mut connection = Connection::new(source);
    let answered = tokio::select! {
        answered = connection.ask(question) => Ok(answered),
        () = stop => Err(failure(&"Stopped before there was an answer.")),
    };
    connection.close().await;
    answered
}

/// Says what the answer of a running source lacks where several collectors share the tenants.
pub(super) fn tell_of_others(source: ConfiguredSource<'_>, question: &Question) {
    if source.config.state.kind == StateKind::Nats && question.is_of_all_own() {
        complain(&"This is about the tenants of the collector on this machine. Others of the cluster have the rest.");
    }
}

/// Says which tenants a command could not take, and where to ask about them.
fn tell_left_out(elsewhere: &BTreeMap<TenantId, String>) {
    for (tenant, host) in elsewhere {
        complain(&format_args!("Tenant {tenant} is left out: the collector on {host} works on it. Ask there."));
    }
}

/// Reports a problem.
pub(super) fn failure(problem: &dyn Display) -> ExitCode {
    complain(problem);
    exit::FAILURE
}

/// A source of another version may answer what this one does not expect.
pub(super) fn unexpected() -> ExitCode {
    failure(&UNEXPECTED)
}

/// Asks the person at the terminal. `purpose` is what `--yes` is for.
pub(super) fn confirm(question: &str, purpose: &str) -> Result<(), ExitCode> {
    if !io::stdin().is_terminal() {
        complain(&format_args!(
            "The standard input is no terminal, so that nobody can be asked; write --yes to {purpose}."
        ));
        return Err(exit::usage());
    }
    let mut err = io::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) => {
            complain(&"Nothing was changed.");
            Err(exit::FAILURE)
        }
        Err(error) => Err(failure(&error)),
    }
}
