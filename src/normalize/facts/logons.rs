//! Logons: of Entra and of mailboxes.

use crate::normalize::{
    GeoipDatabases,
    audit::Audit,
    client,
    operations::{Act, Deed, Subject, look_up},
    outcome::{Outcome, SIGN_INS, outcome},
};

use super::user;

/// The operation of a logon to a mailbox ("Audit log activities: Exchange mailbox activities").
const MAILBOX: &str = "MailboxLogin";

/// Where somebody signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogonPlace {
    /// Entra.
    Entra,
    /// A mailbox.
    Mailbox,
}

/// A logon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogonFact {
    /// Where.
    pub(crate) place: LogonPlace,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Whence: an IP address, or the name of a machine.
    pub(crate) source: Option<String>,
    /// Who.
    pub(crate) user: Option<String>,
    /// The country of the address, if the GeoIP databases know it.
    pub(crate) country: Option<String>,
}

/// Where an operation of a record type signs in, if it does.
pub(super) fn place(record_type: &str, operation: &str) -> Option<LogonPlace> {
    const LOGON: Deed = Deed { subject: Subject::SignIn, act: Act::Start };
    if operation.eq_ignore_ascii_case(MAILBOX) {
        return Some(LogonPlace::Mailbox);
    }
    let is_logon = SIGN_INS.contains(&record_type) && look_up(record_type, operation) == Some(LOGON);
    is_logon.then_some(LogonPlace::Entra)
}

pub(super) fn read(
    audit: &mut Audit<'_>,
    code: &str,
    operation: &str,
    place: LogonPlace,
    geoip: Option<&GeoipDatabases>,
) -> LogonFact {
    let outcome = outcome(audit, code, operation);
    let user = user(audit);
    let address = client::take(audit).address;
    let country = address.as_ref().and_then(|address| {
        let place = geoip?.place(address.ip.as_ref()?.parse().ok()?)?;
        place.country.name().or_else(|| place.country.code()).map(str::to_owned)
    });
    let source = address.and_then(|address| address.ip.or(address.domain));
    LogonFact { place, outcome, source, user, country }
}
