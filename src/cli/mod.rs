//! The command line: reading arguments and printing, and for `normalize` reading files; nothing else.
//!
//! The standard output is for data (events, a schema, a summary that was asked for); everything else goes to the standard
//! error. Exit codes: 0 all is well, 1 it is not, 2 the arguments or the configuration cannot be used, 130 a second signal
//! ended the process; `verify` and `backfill`: 3 it cannot be told.

mod args;
mod asking;
mod browser;
mod check;
mod columns;
mod completeness;
#[cfg(feature = "simulator")]
mod demo;
mod exit;
mod fetch;
mod help_files;
mod logging;
#[cfg(feature = "nats")]
mod migrate;
mod normalize;
mod output;
mod register;
mod run;
mod schema;
#[cfg(feature = "simulator")]
mod simulate;
#[cfg(feature = "simulator")]
mod simulated;
mod state;
mod subscriptions;
mod tenants;
mod validate;

#[doc(hidden)]
pub use self::normalize::records_in;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command};
use crate::expected_panic;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    expected_panic::silence();
    let Cli { command, log } = Cli::parse();
    if let Err(problem) = logging::start(&log, command.log_level()) {
        output::complain(&problem);
        return exit::usage();
    }
    match command {
        Command::Run(args) => run::run(&args),
        Command::Validate(args) => validate::validate(&args),
        Command::Check(args) => check::check(&args),
        Command::Register(args) => register::register(args),
        Command::Tenants(command) => tenants::tenants(command),
        Command::State(command) => state::state(command),
        #[cfg(feature = "nats")]
        Command::Migrate(args) => migrate::migrate(&args),
        Command::Subscriptions(command) => subscriptions::subscriptions(command),
        Command::Verify(args) => completeness::verify(&args),
        Command::Backfill(args) => completeness::backfill(&args),
        Command::Normalize(args) => normalize::normalize(&args),
        Command::Fetch(args) => fetch::fetch(&args),
        Command::Schema => schema::schema(),
        Command::Completions { shell } => help_files::completions(shell),
        Command::Man { command } => help_files::man(&command),
        #[cfg(feature = "simulator")]
        Command::Demo(args) => demo::demo(&args),
        #[cfg(feature = "simulator")]
        Command::Simulate(args) => simulate::simulate(&args),
    }
}
