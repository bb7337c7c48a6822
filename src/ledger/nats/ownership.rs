//! Taking tenants, and giving them back.

use std::{collections::BTreeSet, mem, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, time::sleep};
use tracing::debug;

use super::{
    NatsLedger,
    bucket::Row,
    error::{NatsError, RowSnafu, TakenSnafu},
    subject,
};
use crate::{
    content::{ContentType, Feed, TenantId},
    ledger::{DeliveredRecord, EventKey, LedgerError, Piece, TenantStore, Transfer, row_key::RowKey},
};

/// How many rows are taken into the copy at once.
pub(super) const MOST_ROWS: usize = 500;

/// How often it is looked whether the blobs of a tenant that is given back are still held.
const LOOK: Duration = Duration::from_millis(50);

/// The pause before a tenant is given back once more.
const PAUSE: Duration = Duration::from_secs(1);

/// Who works on a tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The session of the member; `None` when nobody does.
    pub session: Option<String>,
    revision: u64,
}

impl NatsLedger {
    /// What names this run of this member.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The tenants that it has taken.
    pub fn owned(&self) -> Vec<TenantId> {
        self.owned.all()
    }

    /// Whether this member may begin something with a tenant now: it is its own, and the lease has not run out.
    pub fn may_begin(&self, tenant: TenantId) -> bool {
        self.owned.may_begin(tenant)
    }

    /// Finds out which tenants others have taken while the lease of this member had run out.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn confirm(&self) -> Result<(), LedgerError> {
        for (tenant, revision) in self.owned.unsure() {
            let owner = self.owner(tenant).await?;
            if owner.revision == revision && owner.session.as_ref() == Some(&self.session) {
                self.owned.confirm(tenant);
            } else {
                self.owned.lose(tenant, revision);
            }
        }
        Ok(())
    }

    /// Changes whenever another member has taken a tenant that was this one's.
    pub fn lost(&self) -> watch::Receiver<BTreeSet<TenantId>> {
        self.owned.lost()
    }

    /// Who works on a tenant.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn owner(&self, tenant: TenantId) -> Result<Owner, LedgerError> {
        let row = self.bucket.last(&subject::owner(tenant)).await?;
        let revision = row.as_ref().map_or(0, |row| row.revision);
        let session = row.and_then(|row| row.value).and_then(|value| String::from_utf8(value.into()).ok());
        Ok(Owner { session: session.filter(|session| !session.is_empty()), revision })
    }

    /// Whether the owner of a tenant is another member that is there. A row that names this one, which does not have the tenant, is of a
    /// write whose answer was lost.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn is_there(&self, owner: &Owner) -> Result<bool, LedgerError> {
        Ok(self.sign_of_life(owner).await?.is_some())
    }

    /// As [`is_there`](Self::is_there): `None` if the owner is not. What names its last sign of life changes with each: every three
    /// seconds.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn sign_of_life(&self, owner: &Owner) -> Result<Option<u64>, LedgerError> {
        // Asked for now: a member says that it is there before it takes anything, and may have done both a moment ago.
        Ok(match &owner.session {
            Some(session) if *session != self.session => {
                let row = self.bucket.last(&subject::member(session)).await?;
                row.filter(|row| self.is_alive(row)).map(|row| row.revision)
            }
            _ => None,
        })
    }

    /// Forgets what the copy has of tenants that others have taken.
    ///
    /// # Errors
    ///
    /// When the copy fails.
    pub async fn forget_lost(&self) -> Result<(), LedgerError> {
        for tenant in self.owned.take_lost() {
            self.local.forget_tenant(tenant).await?;
        }
        Ok(())
    }

    /// Takes a tenant from its owner, who must be gone or have given it back, and reads its rows. From now on this member's changes
    /// count, and the former owner's do not. Returns whether it is this member's: not if another was faster.
    ///
    /// # Errors
    ///
    /// When NATS does not answer, or the copy fails.
    pub async fn take(&self, tenant: TenantId, from: &Owner) -> Result<bool, LedgerError> {
        let session = Bytes::from(self.session.clone());
        let Some(revision) = self.bucket.replace(&subject::owner(tenant), Some(session), from.revision).await? else {
            return Ok(false);
        };
        // What an earlier time as the owner has left is not what the bucket has now.
        self.local.forget_tenant(tenant).await?;
        self.load(tenant, revision).await?;
        self.owned.insert(tenant, revision);
        Ok(true)
    }

    /// Gives a tenant back, when nothing of it is held any more and all changes are in the bucket. Nobody may begin anything new with
    /// it. Waits until NATS answers: others take it for this member's until then.
    ///
    /// # Errors
    ///
    /// When the copy fails.
    pub async fn give_back(&self, tenant: TenantId) -> Result<(), LedgerError> {
        while self.local.holds_any_of(tenant) {
            sleep(LOOK).await;
        }
        self.write(feeds(tenant)).await?;
        if let Some(revision) = self.owned.revision(tenant) {
            self.owned.remove(tenant);
            // A write that was made before its answer was lost has another revision then.
            while let Err(error) = self.bucket.replace(&subject::owner(tenant), Some(Bytes::new()), revision).await {
                debug!(message = "Cannot give a tenant back now.", tenant_id = %tenant, %error);
                sleep(PAUSE).await;
            }
        }
        self.local.forget_tenant(tenant).await.map(drop)
    }

    /// Reads the rows of a tenant into the copy, up to the message that made it this member's.
    async fn load(&self, tenant: TenantId, revision: u64) -> Result<(), LedgerError> {
        let mut pieces = Vec::new();
        let mut rows = self.bucket.rows(&format!("{tenant}.>")).await?;
        loop {
            let (row, _) = rows.next().await?;
            // The server that is asked may lag behind, so that only this row says that all rows before it have come.
            let is_last = row.revision >= revision;
            pieces.extend(piece(row)?);
            if is_last {
                rows.close().await;
                return self.local.import(pieces).await;
            }
            if pieces.len() >= MOST_ROWS {
                self.local.import(mem::take(&mut pieces)).await?;
            }
        }
    }

    /// Reads the rows of tenants into the copy, of one or of all, whoever works on them: to look at, not to change.
    ///
    /// # Errors
    ///
    /// When NATS does not answer, or the copy fails.
    pub async fn view(&self, meant: Option<TenantId>) -> Result<(), LedgerError> {
        let filter = match meant {
            // Reading waits for a first row.
            Some(tenant) if self.owner(tenant).await?.revision == 0 => return Ok(()),
            Some(tenant) => format!("{tenant}.>"),
            None => ">".to_owned(),
        };
        let mut pieces = Vec::new();
        let mut rows = self.bucket.rows(&filter).await?;
        loop {
            let (row, more) = rows.next().await?;
            if subject::is_of_tenant(&row.subject) {
                pieces.extend(piece(row)?);
            }
            // What changes meanwhile comes again at the end, so that all rows are as they were at one time.
            if more == 0 {
                rows.close().await;
                return self.local.import(pieces).await;
            }
            if pieces.len() >= MOST_ROWS {
                self.local.import(mem::take(&mut pieces)).await?;
            }
        }
    }

    /// Whether somebody has deleted the bucket.
    pub async fn is_gone(&self) -> bool {
        self.bucket.is_gone().await
    }

    /// The tenants that have rows, whoever works on them.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn tenants_with_rows(&self) -> Result<Vec<TenantId>, LedgerError> {
        let subjects = self.bucket.subjects("*.owner").await?;
        Ok(subjects.iter().filter_map(|subject| subject.strip_suffix(".owner")?.parse().ok()).collect())
    }

    /// Takes a tenant from whoever has it.
    ///
    /// # Errors
    ///
    /// When NATS does not answer, the copy fails, or another takes it at the same time.
    pub async fn seize(&self, tenant: TenantId) -> Result<(), LedgerError> {
        if self.owned.revision(tenant).is_none() {
            let owner = self.owner(tenant).await?;
            if !self.take(tenant, &owner).await? {
                return Err(TakenSnafu.build().into());
            }
        }
        Ok(())
    }
}

/// The rows of all feeds of a tenant.
pub(super) fn feeds(tenant: TenantId) -> impl Iterator<Item = RowKey> {
    ContentType::ALL.into_iter().map(move |content_type| RowKey::Feed(Feed { tenant, content_type }))
}

/// What a row of a tenant holds; nothing for deleted ones, and for the one that says whose it is.
pub(super) fn piece(row: Row) -> Result<Option<Piece>, NatsError> {
    let Row { subject, value: Some(value), .. } = row else { return Ok(None) };
    if subject::is_owner(&subject) {
        return Ok(None);
    }
    if let Some(day) = subject::day_of_ids(&subject) {
        let (keys, rest) = value.as_chunks();
        if !rest.is_empty() {
            return RowSnafu { subject, detail: "ids have 16 bytes each" }.fail();
        }
        let events = keys.iter().map(|key| EventKey(*key)).collect();
        return Ok(Some(Piece::Delivered(DeliveredRecord { day, events })));
    }
    let piece = serde_json::from_slice(&value);
    piece.map(Some).map_err(|error| RowSnafu { subject, detail: error.to_string() }.build())
}
