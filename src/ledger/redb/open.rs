//! Opening the file, and making it.

use std::{fs, io, path::Path};

use redb::{Database, ReadableDatabase, TableError};
use tracing::info;

use super::{
    cursors::Cursors,
    events::recent_of,
    forgotten,
    recent::RecentEvents,
    tables::{self, META},
};
use crate::ledger::LedgerError;

/// Since 4, searches of the audit log have content, whose keys an older version cannot read, and delivered events are counted by day:
/// an older version would deliver events without counting them and forget ids without noting it, so that a day would be taken for
/// complete or incomplete that is not. Since 3, ids of delivered events are in batches at first; an older version would deliver those events again. Since 2, what
/// only notifications announced is listed apart; an older version would never fetch it.
pub(super) const FORMAT: u64 = 4;
/// The first format with a note of the ids that were forgotten.
const NOTES_FORGOTTEN: u64 = 4;
pub(super) const OLDEST_FORMAT: u64 = 1;

/// How much of the file redb may keep in memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// A ledger's file, and what memory has of it.
pub(super) struct Opened {
    pub database: Database,
    pub cursors: Cursors,
    pub recent: RecentEvents,
}

pub(super) fn open_or_create(path: &Path) -> Result<Opened, LedgerError> {
    if !path.try_exists().map_err(|error| LedgerError::from_io(path.into(), error))? {
        info!(message = "Starting a new ledger.", path = %path.display());
        create(path)?;
    }
    // `create` would quietly make a new ledger of an empty file. An existing file must be a ledger.
    let database = builder(path).open(path).map_err(|error| LedgerError::from_redb(path.into(), error.into()))?;
    let found = format_of(&database).map_err(|error| LedgerError::from_redb(path.into(), error))?;
    match found {
        Some(found @ OLDEST_FORMAT..=FORMAT) => {
            bring_up_to_date(&database, found).map_err(|error| LedgerError::from_redb(path.into(), error))?;
            keep_private(path);
            opened(database).map_err(|error| LedgerError::from_redb(path.into(), error))
        }
        Some(found) if found > FORMAT => Err(LedgerError::TooNew { path: path.into(), found, known: FORMAT }),
        _ => Err(LedgerError::Corrupt {
            path: path.into(),
            detail: "it is not a ledger of office365-source".into(),
            changed: false,
        }),
    }
}

fn opened(database: Database) -> Result<Opened, redb::Error> {
    let tx = database.begin_read()?;
    let (cursors, recent) = (Cursors::of_file(&tx)?, recent_of(&tx)?);
    drop(tx);
    Ok(Opened { database, cursors, recent })
}

/// Makes the file under another name first: a crash in between must not leave something that looks like a ledger.
fn create(path: &Path) -> Result<(), LedgerError> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let io = |error: io::Error| LedgerError::from_io(path.into(), error);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let made = (|| -> Result<(), redb::Error> {
        let mut database = builder(path).create(&draft)?;
        keep_private(&draft);
        let tx = database.begin_write()?;
        tx.open_table(META)?.insert("format", FORMAT)?;
        tables::create(&tx)?;
        tx.commit()?;
        database.compact()?;
        Ok(())
    })();
    made.map_err(|error| LedgerError::from_redb(path.into(), error))?;
    match place(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        placed => placed.map_err(io)?,
    }
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    make_durable(path);
    Ok(())
}

/// Gives a file that is complete its name, under which there must be nothing.
pub(super) fn place(draft: &Path, path: &Path) -> io::Result<()> {
    // Unlike a rename, a link never replaces the ledger of another process that was faster.
    match fs::hard_link(draft, path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            fs::rename(draft, path)
        }
        linked => linked,
    }
}

/// Makes a new name durable; not every platform can open a directory.
pub(super) fn make_durable(path: &Path) {
    if let Some(Ok(directory)) = path.parent().map(fs::File::open) {
        let _ = directory.sync_all();
    }
}

/// Makes the tables that versions before did not have. What they have recorded counts as named by a listing.
fn bring_up_to_date(database: &Database, found: u64) -> Result<(), redb::Error> {
    let tx = database.begin_write()?;
    tables::create(&tx)?;
    if found < NOTES_FORGOTTEN {
        forgotten::note_for_earlier_version(&tx)?;
    }
    tx.open_table(META)?.insert("format", FORMAT)?;
    tx.commit()?;
    Ok(())
}

/// The AuthID of the webhooks is in it. Where the file belongs to another user, or modes have no effect, it stays as it
/// is.
fn keep_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn builder(path: &Path) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let path = path.to_owned();
    builder.set_repair_callback(move |repair| {
        info!(
            message = "The last stop was not a clean one; checking the ledger.",
            path = %path.display(),
            progress = repair.progress(),
        );
    });
    builder
}

pub(super) fn format_of(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get("format")?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
