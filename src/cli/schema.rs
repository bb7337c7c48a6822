//! `office365-source schema`

use std::process::ExitCode;

use super::output;
use crate::config;

pub(super) fn schema() -> ExitCode {
    output::print(&format!("{:#}", config::json_schema()))
}
