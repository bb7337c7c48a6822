//! SharePoint Audit: links that were made and used.

use super::{
    distinct::Distinct,
    top::{Ranking, Top},
};
use crate::normalize::{LinkAct, LinkFact, LinkKind};

/// The columns of the tables of items and users: links of each kind that were made, then links that were used.
pub const LINK_COLUMNS: [&str; 6] =
    ["anonymous made", "company made", "secure made", "anonymous used", "company used", "secure used"];

/// The links of an hour.
#[derive(Debug, Default)]
pub(super) struct Hour {
    /// By kind, then by act.
    counts: [[u64; 4]; 3],
    items: Top<{ LINK_COLUMNS.len() }>,
    users: Top<{ LINK_COLUMNS.len() }>,
    distinct_items: Distinct,
    distinct_users: Distinct,
}

/// The links of the last 24 hours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkInsights {
    /// Anonymous, company and secure links; of each how many were made, used, changed and removed.
    pub counts: [[u64; 4]; 3],
    /// About how many different items links were made of or used for.
    pub distinct_items: u64,
    /// About how many different users did that.
    pub distinct_users: u64,
    /// By item.
    pub items: Ranking<{ LINK_COLUMNS.len() }>,
    /// By user.
    pub users: Ranking<{ LINK_COLUMNS.len() }>,
}

impl Hour {
    pub(super) fn add(&mut self, fact: LinkFact) {
        let LinkFact { kind, act, item, user } = fact;
        let kind = match kind {
            LinkKind::Anonymous => 0,
            LinkKind::Company => 1,
            LinkKind::Secure => 2,
        };
        let (place, column) = match act {
            LinkAct::Made => (0, kind),
            LinkAct::Used => (1, 3 + kind),
            LinkAct::Changed => return self.counts[kind][2] += 1,
            LinkAct::Removed => return self.counts[kind][3] += 1,
        };
        self.counts[kind][place] += 1;
        if let Some(item) = &item {
            self.items.add(item, column);
            self.distinct_items.add(item);
        }
        if let Some(user) = &user {
            self.users.add(user, column);
            self.distinct_users.add(user);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.items.bytes() + self.users.bytes() + self.distinct_items.bytes() + self.distinct_users.bytes()
    }
}

pub(super) fn summary<'a>(hours: impl Iterator<Item = &'a Hour> + Clone) -> LinkInsights {
    let mut counts = [[0; 4]; 3];
    for hour in hours.clone() {
        for (sum, more) in counts.as_flattened_mut().iter_mut().zip(hour.counts.as_flattened()) {
            *sum += more;
        }
    }
    LinkInsights {
        counts,
        distinct_items: Distinct::count(hours.clone().map(|hour| &hour.distinct_items)),
        distinct_users: Distinct::count(hours.clone().map(|hour| &hour.distinct_users)),
        items: Top::ranking(hours.clone().map(|hour| &hour.items)),
        users: Top::ranking(hours.map(|hour| &hour.users)),
    }
}
