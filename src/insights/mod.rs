//! What the events of the last 24 hours have in common: counts and sketches of bounded size, in memory, for a page to look at.
//!
//! Nothing is kept unless a program asks for it with [`Insights::keep`]. Events count when they are delivered, so that what a sink
//! refuses for a while and gets again counts once.

mod distinct;
mod hours;
mod labels;
mod links;
mod logons;
mod rates;
mod short_text;
mod top;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use self::{hours::Hours, labels::LabelNames, rates::Rates};
use crate::{
    content::Feed,
    normalize::{Fact, What},
};

pub use self::{
    labels::{LABEL_COLUMNS, LabelInsights},
    links::{LINK_COLUMNS, LinkInsights},
    logons::{LogonCounts, LogonInsights, LogonTable},
    rates::MINUTES,
    top::{Ranking, Row},
};

/// A handle on what is kept. Clones share it. Put one into the [`HostServices`](crate::HostServices) of every source whose events
/// belong together.
#[derive(Clone, Debug, Default)]
pub struct Insights(Arc<Mutex<Option<Box<Kept>>>>);

#[derive(Debug, Default)]
struct Kept {
    rates: BTreeMap<Feed, Rates>,
    logons: Hours<logons::Hour>,
    links: Hours<links::Hour>,
    labels: Hours<labels::Hour>,
    label_names: LabelNames,
}

/// What a dashboard covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The beginning of its first hour.
    pub since: DateTime<Utc>,
    /// How many events were older when they were delivered, and are left out.
    pub older: u64,
}

impl Insights {
    /// Keeps what comes from now on. What is kept already stays.
    pub fn keep(&self) {
        self.lock().get_or_insert_default();
    }

    /// Whether anything is kept.
    pub fn is_kept(&self) -> bool {
        self.lock().is_some()
    }

    /// Notes events of a feed that were delivered `now`, and what they say.
    pub(crate) fn delivered(&self, feed: Feed, events: u64, facts: Vec<Fact>, now: DateTime<Utc>) {
        let mut kept = self.lock();
        let Some(kept) = kept.as_mut() else { return };
        if !kept.rates.contains_key(&feed) {
            // Of tenants that are not collected any more, too.
            kept.rates.retain(|_, rates| rates.is_alive(now));
        }
        kept.rates.entry(feed).or_default().add(events, now);
        for Fact { time, what } in facts {
            match what {
                What::Logon(fact) => kept.logons.with(time, now, |hour| hour.add(fact)),
                What::Link(fact) => kept.links.with(time, now, |hour| hour.add(fact)),
                What::Label(fact) => {
                    let label = kept.label_names.key(&fact);
                    kept.labels.with(time, now, |hour| hour.add(&label, fact));
                }
            }
        }
    }

    /// Events delivered in each of the last [`MINUTES`] minutes, the oldest first; the last one is not over yet.
    pub fn per_minute(&self, feed: Feed, now: DateTime<Utc>) -> Vec<u32> {
        let kept = self.lock();
        let rates = kept.as_ref().and_then(|kept| kept.rates.get(&feed));
        rates.map_or_else(|| vec![0; MINUTES], |rates| rates.minutes(now))
    }

    /// The logons of the last 24 hours.
    pub fn logons(&self, now: DateTime<Utc>) -> (Span, LogonInsights) {
        let kept = self.lock();
        let of = |hours: &Hours<_>| (hours.span(now), logons::summary(&hours.at(now)));
        kept.as_ref().map_or_else(|| of(&Hours::default()), |kept| of(&kept.logons))
    }

    /// The links of the last 24 hours.
    pub fn links(&self, now: DateTime<Utc>) -> (Span, LinkInsights) {
        let kept = self.lock();
        let of = |hours: &Hours<_>| (hours.span(now), links::summary(hours.at(now)));
        kept.as_ref().map_or_else(|| of(&Hours::default()), |kept| of(&kept.links))
    }

    /// The sensitivity labels of the last 24 hours.
    pub fn labels(&self, now: DateTime<Utc>) -> (Span, LabelInsights) {
        let kept = self.lock();
        let of = |hours: &Hours<_>, names: &LabelNames| (hours.span(now), labels::summary(hours.at(now), names));
        kept.as_ref()
            .map_or_else(|| of(&Hours::default(), &LabelNames::default()), |kept| of(&kept.labels, &kept.label_names))
    }

    /// About how many bytes are kept now.
    pub fn bytes(&self) -> usize {
        let kept = self.lock();
        let Some(kept) = kept.as_ref() else { return 0 };
        let rates = kept.rates.len() * size_of::<(Feed, Rates)>();
        size_of::<Kept>()
            + rates
            + kept.logons.bytes(logons::Hour::bytes)
            + kept.links.bytes(links::Hour::bytes)
            + kept.labels.bytes(labels::Hour::bytes)
            + kept.label_names.bytes()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
