//! What the program reports to its caller.

use std::process::ExitCode;

/// All is well.
pub(super) const OK: ExitCode = ExitCode::SUCCESS;

/// Something failed, stayed undelivered, or was found wrong.
pub(super) const FAILURE: ExitCode = ExitCode::FAILURE;

/// Whether all is well cannot be told.
pub(super) fn unknown() -> ExitCode {
    ExitCode::from(3)
}

/// The arguments or the configuration cannot be used; starting again will not help. The same as clap's.
pub(super) fn usage() -> ExitCode {
    ExitCode::from(2)
}
