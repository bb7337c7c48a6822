//! Writing for a caller that may have stopped reading.

use std::{
    env,
    ffi::OsStr,
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

use super::exit;

/// Writes data to the standard output, as a line. A reader that had enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> ExitCode {
    print_bytes(format!("{text}\n").as_bytes())
}

/// Writes data to the standard output as it is.
pub(super) fn print_bytes(data: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Ok(()) => exit::OK,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit::OK,
        Err(error) => {
            complain(&format_args!("Cannot write to the standard output: {error}"));
            exit::FAILURE
        }
    }
}

/// Whether to use colours on an output: on a terminal, unless the user wants none (<https://no-color.org>).
pub(super) fn has_colours(output: &impl IsTerminal) -> bool {
    output.is_terminal() && wants_colours(env::var_os("NO_COLOR").as_deref())
}

fn wants_colours(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

/// Writes a message to the standard error. Without a reader, nothing can be reported.
pub(super) fn complain(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_no_colour_whatever_its_value_unless_it_is_empty() {
        assert!(wants_colours(None) && wants_colours(Some(OsStr::new(""))));
        assert!(!wants_colours(Some(OsStr::new("1"))) && !wants_colours(Some(OsStr::new("0"))));
    }
}
