//! Cmdlets that do something else with a parameter than without it.

use super::vocabulary::{Act, Deed, Subject};
use crate::normalize::audit::Audit;

/// A cmdlet, its parameter, and what it does with that (Exchange PowerShell, Security & Compliance PowerShell).
const ROWS: &[(&str, &str, Deed)] = &[
    ("New-ComplianceSearchAction", "Parameters.Purge", PURGE),
    ("New-ComplianceSearchAction", "Parameters.Export", Deed { subject: Subject::Search, act: Act::Export }),
    ("Search-Mailbox", "Parameters.DeleteContent", PURGE),
];

/// The mails that were found are deleted.
const PURGE: Deed = Deed { subject: Subject::MailItem, act: Act::Delete };

/// What a cmdlet does by the parameters that it was given.
pub(crate) fn by_parameters(record: &mut Audit<'_>, operation: &str) -> Option<Deed> {
    let mut rows = ROWS.iter().filter(|(cmdlet, ..)| cmdlet.eq_ignore_ascii_case(operation));
    rows.find(|(_, parameter, _)| record.text(parameter).is_some_and(|value| is_given(&value))).map(|(.., deed)| *deed)
}

/// Whether a switch is on.
fn is_given(value: &str) -> bool {
    !["false", "$false", "0"].iter().any(|off| off.eq_ignore_ascii_case(value.trim()))
}
