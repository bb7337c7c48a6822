//! Pieces, out and in.
//!
//! Ids of events do not say whose they are. Those that are imported are shared: all members read them when they start.

use std::{collections::BTreeSet, mem};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    NatsLedger,
    change::{Change, message},
    ownership::{MOST_ROWS, piece},
    subject,
};
use crate::ledger::{
    DeliveredRecord, ExportPage, ExportPosition, LedgerError, Piece, TenantStore, Transfer, row_key::RowKey,
};

#[async_trait]
impl Transfer for NatsLedger {
    async fn export(&self, from: ExportPosition) -> Result<ExportPage, LedgerError> {
        let is_beginning = from == ExportPosition::Beginning;
        let mut page = self.local.export(from).await?;
        if is_beginning {
            page.pieces.splice(..0, self.tenants().await?.into_iter().map(Piece::Tenant));
        }
        Ok(page)
    }

    async fn import(&self, pieces: Vec<Piece>) -> Result<(), LedgerError> {
        let mut rows = Vec::new();
        let mut copied = Vec::new();
        for piece in pieces {
            match &piece {
                Piece::Tenant(record) => {
                    self.put_tenant(record.clone()).await?;
                    continue;
                }
                Piece::Delivered(DeliveredRecord { day, events }) => {
                    let keys: Vec<u8> = events.iter().flat_map(|event| event.0).collect();
                    let subject = subject::shared_ids(*day, &uuid::Uuid::new_v4().simple().to_string());
                    self.bucket.put(message(subject, Some(keys.into()), None)).await?;
                }
                Piece::Forgotten { before: Some(_) } => {
                    self.bucket.put(message(subject::SHARED_FORGOTTEN.to_owned(), Some(json(&piece)), None)).await?;
                }
                other => rows.extend(RowKey::of(other)),
            }
            copied.push(piece);
        }
        // What is written about the tenants of others goes nowhere.
        let tenants: BTreeSet<_> = rows.iter().map(RowKey::tenant).collect();
        for tenant in tenants {
            self.seize(tenant).await?;
        }
        let (local, change) = (self.local(), Change::of(rows));
        self.change(async move { Ok((local.import(copied).await?, change)) }).await
    }
}

impl NatsLedger {
    /// Reads what is no single tenant's into the copy.
    pub(super) async fn load_shared(&self) -> Result<(), LedgerError> {
        let mut pieces = Vec::new();
        let mut rows = self.bucket.rows("shared.>").await?;
        loop {
            // There is at least one: the format.
            let (row, more) = rows.next().await?;
            if row.subject != subject::FORMAT && row.subject != subject::AUTH_ID {
                pieces.extend(piece(row)?);
            }
            if more == 0 {
                rows.close().await;
                return self.local.import(pieces).await;
            }
            if pieces.len() >= MOST_ROWS {
                self.local.import(mem::take(&mut pieces)).await?;
            }
        }
    }
}

/// A piece as the value of a row.
pub(super) fn json(piece: &Piece) -> Bytes {
    // Every piece can be written as JSON.
    Bytes::from(serde_json::to_vec(piece).unwrap_or_default())
}
