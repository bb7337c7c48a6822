//! What the command line asks of a source, and what is answered: by the source that runs, or in its place.

use serde::{Deserialize, Serialize};

use super::{Removal, Tenancy, TenantEntry};
use crate::content::TenantId;

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
    /// It was not done.
    Refused {
        /// Why, and what to do.
        problem: String,
    },
}

/// Answers a question.
pub async fn answer(tenancy: &Tenancy, question: Question) -> Answer {
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
    }
}
