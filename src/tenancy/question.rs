//! What the command line asks of a source, and what is answered: by the source that runs, or in its place.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    Administration, ChangedSubscription, FeedState, Removal, Selection, SubscriptionChange, SubscriptionEntry,
    TenantEntry,
};
use crate::{
    audit_search::{Report, SearchTask},
    content::TenantId,
    ledger::{ExportPage, ExportPosition, Revived},
};

/// What can be asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Question {
    /// All tenants.
    List,
    /// Another domain for a tenant.
    SetDomain {
        /// Which tenant.
        tenant: TenantId,
        /// Its domain from now on; none when it is left out.
        domain: Option<String>,
    },
    /// To collect a tenant no longer.
    Remove {
        /// Which tenant.
        tenant: TenantId,
    },
    /// The subscriptions, as Microsoft reports them.
    Subscriptions {
        /// Which.
        selection: Selection,
    },
    /// To start or stop subscriptions.
    ChangeSubscriptions {
        /// Which of the two.
        change: SubscriptionChange,
        /// Which subscriptions.
        selection: Selection,
    },
    /// How far the feeds have come.
    State,
    /// To make dead content pending again.
    RetryDead {
        /// Of which feeds.
        selection: Selection,
    },
    /// What is known of the completeness of days.
    Coverage {
        /// The first and the last day.
        range: (NaiveDate, NaiveDate),
        /// Of which tenant; without it, of all.
        tenant: Option<TenantId>,
    },
    /// To compare days with the audit search.
    Compare {
        /// Which.
        task: SearchTask,
    },
    /// A page of all that the ledger holds.
    Export {
        /// Which page.
        from: ExportPosition,
    },
}

impl Question {
    /// The tenant that it is about; `None` if it is about several.
    pub const fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::SetDomain { tenant, .. } | Self::Remove { tenant } => Some(*tenant),
            Self::Subscriptions { selection }
            | Self::ChangeSubscriptions { selection, .. }
            | Self::RetryDead { selection } => selection.tenant,
            Self::Coverage { tenant, .. } => *tenant,
            Self::Compare { task } => task.tenant,
            Self::List | Self::State | Self::Export { .. } => None,
        }
    }

    /// What is done with what is known of the content of tenants.
    #[cfg(feature = "nats")]
    pub(super) const fn access(&self) -> Access {
        match self {
            Self::List | Self::SetDomain { .. } | Self::Remove { .. } => Access::None,
            Self::State | Self::Subscriptions { .. } | Self::Coverage { .. } | Self::Export { .. } => Access::Look,
            Self::ChangeSubscriptions { .. } | Self::RetryDead { .. } | Self::Compare { .. } => Access::Change,
        }
    }

    /// Whether it is about all tenants that the source collects which is asked.
    pub const fn is_of_all_own(&self) -> bool {
        match self {
            Self::State | Self::Export { .. } => true,
            Self::Subscriptions { selection }
            | Self::ChangeSubscriptions { selection, .. }
            | Self::RetryDead { selection } => selection.tenant.is_none(),
            Self::Coverage { tenant, .. } => tenant.is_none(),
            Self::Compare { task } => task.tenant.is_none(),
            Self::List | Self::SetDomain { .. } | Self::Remove { .. } => false,
        }
    }
}

/// What a question does with what is known of the content of tenants.
#[cfg(feature = "nats")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Nothing: it is about which tenants there are.
    None,
    /// It reads.
    Look,
    /// It changes something, or may.
    Change,
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// All tenants.
    Tenants {
        /// In the order of their ids.
        tenants: Vec<TenantEntry>,
    },
    /// It is done.
    Done,
    /// The tenant is removed.
    Removed {
        /// What became of it.
        removal: Removal,
    },
    /// The subscriptions.
    Subscriptions {
        /// In the order of tenants and content types.
        subscriptions: Vec<SubscriptionEntry>,
    },
    /// Each subscription that was to be changed has been tried.
    SubscriptionsChanged {
        /// What became of them.
        changes: Vec<ChangedSubscription>,
    },
    /// How far the feeds have come.
    State {
        /// In the order of tenants and content types.
        feeds: Vec<FeedState>,
    },
    /// Dead content has been looked at.
    Revived {
        /// Blobs that are pending again.
        revived: u64,
        /// Blobs that Microsoft holds no longer.
        expired: u64,
    },
    /// What is known of the completeness of days.
    Coverage {
        /// Day by day.
        report: Report,
        /// Who goes on with those that are being compared.
        #[serde(default)]
        comparing: Comparing,
    },
    /// A page of all that the ledger holds.
    Exported {
        /// What is in it.
        page: ExportPage,
    },
    /// It was not done.
    Refused {
        /// Why, and what to do.
        problem: String,
    },
}

/// Who compares days with the audit search.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparing {
    /// Nobody: no source runs, or it has no audit search.
    #[default]
    Nobody,
    /// The source that runs.
    Source,
    /// A command, which compares its own days and nothing else.
    Command,
}

/// What to say of an answer that fits no question, as a source of another version may give it.
pub const UNEXPECTED: &str =
    "the running source answered something else than was asked; use the program of the same version";

/// Answers a question.
pub async fn answer(source: &Administration, question: Question) -> Answer {
    let tenancy = &source.tenancy;
    let refused = |error: &dyn std::fmt::Display| Answer::Refused { problem: error.to_string() };
    match question {
        Question::List => match tenancy.list().await {
            Ok(tenants) => Answer::Tenants { tenants },
            Err(error) => refused(&error),
        },
        Question::SetDomain { tenant, domain } => match tenancy.set_domain(tenant, domain).await {
            Ok(()) => Answer::Done,
            Err(error) => refused(&error),
        },
        Question::Remove { tenant } => match tenancy.remove(tenant).await {
            Ok(removal) => Answer::Removed { removal },
            Err(error) => refused(&error),
        },
        Question::Subscriptions { selection } => match source.subscriptions(&selection).await {
            Ok(subscriptions) => Answer::Subscriptions { subscriptions },
            Err(error) => refused(&error),
        },
        Question::ChangeSubscriptions { change, selection } => {
            match source.change_subscriptions(change, &selection).await {
                Ok(changes) => Answer::SubscriptionsChanged { changes },
                Err(error) => refused(&error),
            }
        }
        Question::State => match source.state().await {
            Ok(feeds) => Answer::State { feeds },
            Err(error) => refused(&error),
        },
        Question::RetryDead { selection } => match source.retry_dead(&selection).await {
            Ok(Revived { revived, expired, .. }) => Answer::Revived { revived, expired },
            Err(error) => refused(&error),
        },
        Question::Coverage { range, tenant } => match source.coverage(range, tenant).await {
            Ok(report) => Answer::Coverage { report, comparing: source.comparing() },
            Err(error) => refused(&error),
        },
        Question::Compare { task } => match source.compare(task).await {
            Ok(report) => Answer::Coverage { report, comparing: source.comparing() },
            Err(error) => refused(&error),
        },
        Question::Export { from } => match source.ledger.export(from).await {
            Ok(page) => Answer::Exported { page },
            Err(error) => refused(&error),
        },
    }
}
