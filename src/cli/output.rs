//! Writing for a caller that may have stopped reading.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use super::exit;

/// Writes data to the standard output. A reader that had enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => exit::OK,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit::OK,
        Err(error) => {
            complain(&format_args!("Cannot write to the standard output: {error}"));
            exit::FAILURE
        }
    }
}

/// Writes a message to the standard error. If nobody reads it, there is nobody to tell.
pub(super) fn complain(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "{message}");
}
