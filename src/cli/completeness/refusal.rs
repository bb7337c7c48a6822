//! Why a command ends without a report.

use std::{fmt, process::ExitCode};

use crate::{
    cli::{exit, output::complain},
    tenancy::AskError,
};

/// Why a command ends without a report.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its arguments, or where its output goes, cannot be used.
    Usage(String),
    /// It has failed.
    Failure(crate::Error),
}

impl Refusal {
    /// Says why. `failed` is the exit code of a command that has failed.
    pub(super) fn end(self, failed: ExitCode) -> ExitCode {
        complain(&self);
        match self {
            Self::Usage(_) => exit::usage(),
            Self::Failure(_) => failed,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => f.write_str(problem),
            Self::Failure(error) => error.fmt(f),
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        Self::Failure(error)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Failure(error.into())
    }
}
