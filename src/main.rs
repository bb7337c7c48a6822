//! The command line of office365-source.

use std::process::ExitCode;

fn main() -> ExitCode {
    office365_source::cli::main()
}
