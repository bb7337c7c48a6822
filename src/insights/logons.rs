//! Logon Audit: who signed in whence, and who failed to.

use super::{
    distinct::Distinct,
    top::{Ranking, Top},
};
use crate::normalize::{LogonFact, LogonPlace, Outcome};

/// The logons of an hour.
#[derive(Debug, Default)]
pub(super) struct Hour {
    entra: LogonCounts,
    mailbox: LogonCounts,
    failed: Dimensions,
    succeeded: Dimensions,
    sources: Distinct,
    users: Distinct,
}

/// The most frequent of each kind.
#[derive(Debug, Default)]
struct Dimensions {
    sources: Top<1>,
    users: Top<1>,
    countries: Top<1>,
}

/// How logons ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogonCounts {
    /// They got in.
    pub succeeded: u64,
    /// They did not.
    pub failed: u64,
    /// The records do not say.
    pub unknown: u64,
}

/// The most frequent of a kind, by those that failed and by those that succeeded, each with how many of the others it had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogonTable {
    /// By failed logons.
    pub failed: Ranking<1>,
    /// By those that succeeded.
    pub succeeded: Ranking<1>,
    /// How often those of `failed` succeeded, in their order.
    pub failed_succeeded: Vec<u64>,
    /// How often those of `succeeded` failed, in their order.
    pub succeeded_failed: Vec<u64>,
}

/// The logons of the last 24 hours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogonInsights {
    /// At Entra.
    pub entra: LogonCounts,
    /// At mailboxes.
    pub mailbox: LogonCounts,
    /// About how many different addresses.
    pub distinct_sources: u64,
    /// About how many different users.
    pub distinct_users: u64,
    /// By address.
    pub sources: LogonTable,
    /// By user.
    pub users: LogonTable,
    /// By country.
    pub countries: LogonTable,
}

impl Hour {
    pub(super) fn add(&mut self, fact: LogonFact) {
        let LogonFact { place, outcome, source, user, country } = fact;
        let counts = match place {
            LogonPlace::Entra => &mut self.entra,
            LogonPlace::Mailbox => &mut self.mailbox,
        };
        if let Some(source) = &source {
            self.sources.add(source);
        }
        if let Some(user) = &user {
            self.users.add(user);
        }
        let dimensions = match outcome {
            Outcome::Success => {
                counts.succeeded += 1;
                &mut self.succeeded
            }
            Outcome::Failure => {
                counts.failed += 1;
                &mut self.failed
            }
            Outcome::Unknown => {
                counts.unknown += 1;
                return;
            }
        };
        for (top, text) in
            [(&mut dimensions.sources, source), (&mut dimensions.users, user), (&mut dimensions.countries, country)]
        {
            if let Some(text) = text {
                top.add(&text, 0);
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let dimensions = |of: &Dimensions| of.sources.bytes() + of.users.bytes() + of.countries.bytes();
        dimensions(&self.failed) + dimensions(&self.succeeded) + self.sources.bytes() + self.users.bytes()
    }
}

pub(super) fn summary<'a>(hours: &(impl Iterator<Item = &'a Hour> + Clone)) -> LogonInsights {
    let sum = |of: fn(&Hour) -> LogonCounts| {
        hours.clone().map(of).fold(LogonCounts::default(), |sum, more| LogonCounts {
            succeeded: sum.succeeded + more.succeeded,
            failed: sum.failed + more.failed,
            unknown: sum.unknown + more.unknown,
        })
    };
    let table = |of: fn(&Dimensions) -> &Top<1>| {
        let failed_hours = hours.clone().map(|hour| of(&hour.failed));
        let succeeded_hours = hours.clone().map(|hour| of(&hour.succeeded));
        let (failed, succeeded) = (Top::ranking(failed_hours.clone()), Top::ranking(succeeded_hours.clone()));
        let others = |ranking: &Ranking<1>, of_others: &dyn Fn(&str) -> u64| {
            ranking.rows.iter().map(|row| of_others(&row.text)).collect()
        };
        LogonTable {
            failed_succeeded: others(&failed, &|text| Top::count(succeeded_hours.clone(), text)),
            succeeded_failed: others(&succeeded, &|text| Top::count(failed_hours.clone(), text)),
            failed,
            succeeded,
        }
    };
    LogonInsights {
        entra: sum(|hour| hour.entra),
        mailbox: sum(|hour| hour.mailbox),
        distinct_sources: Distinct::count(hours.clone().map(|hour| &hour.sources)),
        distinct_users: Distinct::count(hours.clone().map(|hour| &hour.users)),
        sources: table(|of| &of.sources),
        users: table(|of| &of.users),
        countries: table(|of| &of.countries),
    }
}
