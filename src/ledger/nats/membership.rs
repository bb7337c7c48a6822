//! Which members there are.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::debug;

use super::{
    NatsLedger,
    bucket::{Bucket, Message, Row},
    error::{NatsError, RowSnafu},
    subject,
};
use crate::ledger::LedgerError;

/// For how long a member counts as there after it last said so. Servers count whole seconds.
pub const LEASE: Duration = Duration::from_secs(10);

/// How old the row of a member is at most that is there. Unit: seconds.
///
/// Servers remove the row sooner: after [`LEASE`]. But a server (seen with 2.15.1) that was killed and starts again may have rows back that had
/// expired long ago, and keep them for good. The rest is for servers whose clocks differ.
const EXPIRED: i64 = 30;

/// What a member says of itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Member {
    /// Names this run of the member among all.
    pub session: String,
    /// The name of its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// How many tenants it works on.
    pub tenants: usize,
    /// Stands for all tenants that it knows: members that know the same have the same.
    #[serde(default)]
    pub knows: String,
    /// Whether it runs for a time only, with tenants that nobody else worked on. Others share with it no further.
    #[serde(default)]
    pub borrows: bool,
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
        let rows = member_rows(&self.bucket).await?;
        self.server_time.store(self.bucket.time().await?, Ordering::Relaxed);
        let mut members = Vec::new();
        for row in rows {
            if !self.is_alive(&row) {
                // Members that are there say so again.
                self.bucket.replace(&row.subject, None, row.revision).await?;
                continue;
            }
            match member(&row) {
                Ok(member) => members.push(member),
                // No member of this version wrote it, so that it is none to share with.
                Err(error) => debug!(message = "The row of a member cannot be read.", %error),
            }
        }
        members.sort_unstable_by(|one, other| one.session.cmp(&other.session));
        Ok(members)
    }

    /// Whether the row of a member was written so lately that the member is there.
    pub(super) fn is_alive(&self, row: &Row) -> bool {
        row.value.is_some() && row.written + EXPIRED >= self.server_time.load(Ordering::Relaxed)
    }
}

/// How many members are there, as their rows say.
pub(super) async fn count(bucket: &Bucket) -> Result<usize, NatsError> {
    let rows = member_rows(bucket).await?;
    let now = bucket.time().await?;
    let alive: Vec<_> = rows.iter().filter(|row| row.written + EXPIRED >= now).collect();
    for row in &alive {
        member(row)?;
    }
    Ok(alive.len())
}

/// The rows of members that have not said that they go.
async fn member_rows(bucket: &Bucket) -> Result<Vec<Row>, NatsError> {
    let mut rows = Vec::new();
    for subject in bucket.subjects("member.*").await? {
        // It may have gone meanwhile.
        rows.extend(bucket.last(&subject).await?.filter(|row| row.value.is_some()));
    }
    Ok(rows)
}

fn member(row: &Row) -> Result<Member, NatsError> {
    let member = serde_json::from_slice(row.value.as_deref().unwrap_or_default());
    member.map_err(|error| RowSnafu { subject: row.subject.clone(), detail: error.to_string() }.build())
}
