//! The state of a source on its way between the file of one collector and the bucket that several share. Nothing collects meanwhile.

use std::path::{Path, PathBuf};

use snafu::{ResultExt, Snafu, ensure};

use crate::ledger::{
    DraftLedger, ExportPosition, IdRetention, Ledger, LedgerError, NatsLedger, NatsOptions, Piece, RedbLedger,
    SubscriptionStore,
};

/// Why state was not moved. What it was moved from is as it was.
#[derive(Debug, Snafu)]
pub enum MigrationError {
    /// There is nothing to move.
    #[snafu(display("there is no ledger in {}: this source has never run here", directory.display()))]
    Nothing {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Collectors use the bucket.
    #[snafu(display(
        "{members} collectors use the shared state; stop them all first. One that died is gone after ten seconds"
    ))]
    Used {
        /// How many.
        members: usize,
    },
    /// There is state already where it is to go.
    #[snafu(display(
        "there is state in the bucket already; write another state.prefix, or delete the stream with `nats stream rm` if nobody needs it"
    ))]
    Exists,
    /// A ledger cannot be used.
    #[snafu(display("{source}"))]
    Ledger {
        /// Why not.
        source: LedgerError,
    },
    /// The file could not be put aside.
    #[snafu(display(
        "everything is in the bucket, but {} cannot be renamed: {source}; move it away by hand, so that nobody goes on with it",
        path.display()
    ))]
    Aside {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// What has been moved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    /// Feeds.
    pub feeds: u64,
    /// Blobs: pending, done and dead.
    pub content: u64,
    /// Ids of delivered events.
    pub events: u64,
}

/// Moves the state of the ledger in `directory` to the bucket. The ledger is renamed then, so that nobody goes on with it by mistake.
///
/// # Errors
///
/// When there is no ledger, when there is state in the bucket, or when one of the two cannot be used.
pub async fn to_nats(directory: &Path, options: &NatsOptions, retention: IdRetention) -> Result<Moved, MigrationError> {
    ensure!(RedbLedger::exists(directory), NothingSnafu { directory });
    let local = RedbLedger::open(directory, retention).await.context(LedgerSnafu)?;
    let shared = unused(directory, options, retention).await?;
    ensure!(shared.tenants_with_rows().await.context(LedgerSnafu)?.is_empty(), ExistsSnafu);
    let moved = copy(&local, &shared).await.context(LedgerSnafu)?;
    // Webhooks that are set carry it.
    if let Some(auth_id) = local.known_auth_id().await.context(LedgerSnafu)? {
        shared.auth_id(auth_id).await.context(LedgerSnafu)?;
    }
    for tenant in shared.owned() {
        shared.give_back(tenant).await.context(LedgerSnafu)?;
    }
    drop(local);
    RedbLedger::put_aside(directory).map_err(|(path, source)| MigrationError::Aside { path, source })?;
    Ok(moved)
}

/// Moves the state of the bucket to a new ledger in `directory`. What is in the bucket stays there.
///
/// # Errors
///
/// When there is a ledger, or when one of the two cannot be used.
pub async fn to_embedded(
    directory: &Path,
    options: &NatsOptions,
    retention: IdRetention,
) -> Result<Moved, MigrationError> {
    NatsLedger::require(options).await.context(LedgerSnafu)?;
    let draft = DraftLedger::begin(directory).await.context(LedgerSnafu)?;
    let shared = unused(directory, options, retention).await?;
    for tenant in shared.tenants_with_rows().await.context(LedgerSnafu)? {
        shared.seize(tenant).await.context(LedgerSnafu)?;
    }
    let moved = copy(&shared, draft.ledger()).await.context(LedgerSnafu)?;
    if let Some(auth_id) = shared.known_auth_id().await.context(LedgerSnafu)? {
        draft.ledger().auth_id(auth_id).await.context(LedgerSnafu)?;
    }
    for tenant in shared.owned() {
        shared.give_back(tenant).await.context(LedgerSnafu)?;
    }
    draft.finish(directory).context(LedgerSnafu)?;
    Ok(moved)
}

/// The bucket, if no collector uses it.
async fn unused(directory: &Path, options: &NatsOptions, retention: IdRetention) -> Result<NatsLedger, MigrationError> {
    let shared = NatsLedger::open(options, directory, retention).await.context(LedgerSnafu)?;
    let members = shared.members().await.context(LedgerSnafu)?.len();
    ensure!(members == 0, UsedSnafu { members });
    Ok(shared)
}

async fn copy(from: &impl Ledger, to: &impl Ledger) -> Result<Moved, LedgerError> {
    let (mut moved, mut position) = (Moved::default(), Some(ExportPosition::default()));
    while let Some(at) = position {
        let page = from.export(at).await?;
        for piece in &page.pieces {
            match piece {
                Piece::Feed(_) => moved.feeds += 1,
                Piece::Content(_) => moved.content += 1,
                Piece::Delivered(delivered) => moved.events += delivered.events.len() as u64,
                _ => {}
            }
        }
        to.import(page.pieces).await?;
        position = page.next;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::{DateTime, TimeDelta, Utc};
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;
    use crate::{
        content::{ContentRef, ContentType, Feed, TenantId},
        ledger::{
            BlobKey, ContentIntake, ContentQueue, CursorMove, DeliveredBatch, DeliveredEvents, EventKey, Transfer,
            Wanted,
        },
        nats_server::{NatsServer, obstacle},
    };

    fn time(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + secs, 0).unwrap()
    }

    async fn everything(ledger: &impl Transfer) -> BTreeSet<String> {
        let (mut found, mut position) = (BTreeSet::new(), Some(ExportPosition::default()));
        while let Some(at) = position {
            let page = ledger.export(at).await.unwrap();
            found.extend(page.pieces.iter().map(|piece| serde_json::to_string(piece).unwrap()));
            position = page.next;
        }
        found
    }

    #[tokio::test]
    async fn there_and_back_nothing_is_lost() {
        if let Some(obstacle) = obstacle() {
            eprintln!("skipped: {obstacle}");
            return;
        }
        let (server, directory) = (NatsServer::start(), TempDir::new().unwrap());
        let options = NatsOptions::new(vec![server.url()], "moved");
        let retention = IdRetention::from(TimeDelta::days(7));
        let nothing = to_nats(directory.path(), &options, retention).await.unwrap_err();
        assert!(matches!(nothing, MigrationError::Nothing { .. }));
        // Nor is there a bucket, and none is made.
        for _ in 0..2 {
            let nothing = to_embedded(directory.path(), &options, retention).await.unwrap_err().to_string();
            assert!(nothing.contains("there is no bucket moved_state"), "{nothing}");
        }

        let feed = Feed { tenant: TenantId(Uuid::from_u128(5)), content_type: ContentType::Dlp };
        let blob = |id: &str| ContentRef {
            feed,
            content_id: id.to_owned(),
            content_uri: format!("https://manage.office.com/{id}"),
            created: time(0),
            expiration: None,
        };
        let events: Vec<_> = (0..5_000).map(|event| EventKey::new(feed.tenant, &event.to_string())).collect();
        let (had, auth_id) = {
            let ledger = RedbLedger::open(directory.path(), retention).await.unwrap();
            let moved = Some(CursorMove::ListedThrough(time(100)));
            ledger.record(feed, vec![blob("a"), blob("b"), blob("c")], moved, time(0)).await.unwrap();
            let held = ledger.claim(feed, Wanted::Any).await.unwrap().unwrap();
            let delivered = DeliveredBatch::from(events.clone());
            ledger.complete(BlobKey::from(&held.content), delivered, time(1)).await.unwrap();
            (everything(&ledger).await, ledger.auth_id("a secret".into()).await.unwrap())
        };
        let moved = to_nats(directory.path(), &options, retention).await.unwrap();
        assert_eq!(moved, Moved { feeds: 1, content: 3, events: 5_000 });
        assert!(!RedbLedger::exists(directory.path()));
        let again = to_embedded(directory.path(), &options, retention).await.unwrap();
        assert_eq!(again, moved);
        let ledger = RedbLedger::open(directory.path(), retention).await.unwrap();
        assert_eq!(everything(&ledger).await, had);
        assert!(ledger.delivered(events).await.unwrap().into_iter().all(|known| known));
        let kept = ledger.auth_id("another".into()).await.unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&kept), secrecy::ExposeSecret::expose_secret(&auth_id));

        drop(ledger);
        let refused = to_nats(directory.path(), &options, retention).await.unwrap_err();
        assert!(matches!(refused, MigrationError::Exists), "{refused}");
    }
}
