//! Which members there are.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{NatsLedger, bucket::Message, error::RowSnafu, subject};
use crate::ledger::LedgerError;

/// For how long a member counts as there after it last said so. Servers count whole seconds.
pub const LEASE: Duration = Duration::from_secs(10);

/// What a member says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Member {
    /// Names this run of the member among all.
    pub session: String,
    /// The name of its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// How many tenants it works on.
    pub tenants: usize,
}

impl NatsLedger {
    /// Says that this member is there, for [`LEASE`] from now on.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn renew(&self, member: &Member) -> Result<(), LedgerError> {
        let asked = Instant::now();
        // Texts and numbers can be written as JSON.
        let value = Bytes::from(serde_json::to_vec(member).unwrap_or_default());
        let subject = subject::member(&self.session);
        self.bucket.put(Message { subject, value: Some(value), expires_in: Some(LEASE), fence: None }).await?;
        // The lease runs from when the server wrote it, which was after that.
        self.owned.renew(asked + LEASE);
        Ok(())
    }

    /// Says that this member goes.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn resign(&self) -> Result<(), LedgerError> {
        let message = Message { subject: subject::member(&self.session), value: None, expires_in: None, fence: None };
        self.owned.renew(Instant::now());
        self.bucket.put(message).await?;
        Ok(())
    }

    /// Until when others count this member as there. After that it begins nothing.
    pub fn leased_until(&self) -> Instant {
        self.owned.leased_until()
    }

    /// The members that are there, in the order of their sessions.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn members(&self) -> Result<Vec<Member>, LedgerError> {
        let mut members = Vec::new();
        for subject in self.bucket.subjects("member.*").await? {
            // It may have gone meanwhile, or have said that it goes.
            let Some(value) = self.bucket.last(&subject).await?.and_then(|row| row.value) else { continue };
            let member = serde_json::from_slice(&value);
            members.push(member.map_err(|error| RowSnafu { subject, detail: error.to_string() }.build())?);
        }
        members.sort_unstable_by(|one: &Member, other| one.session.cmp(&other.session));
        Ok(members)
    }
}
