//! Whether the bytes of a file are a database of the kind that is wanted, through and through.

use std::collections::HashSet;

use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;
use snafu::{ResultExt, Snafu, ensure};

/// Why bytes are no database that can be used.
#[derive(Debug, Snafu)]
pub enum DatabaseError {
    /// They are damaged, cut off, or something else.
    #[snafu(display("is damaged, or no MaxMind DB file: {source}"))]
    Damaged {
        /// What the reader said.
        // As large as all the rest of the error together.
        #[snafu(source(from(MaxMindDbError, Box::new)))]
        source: Box<MaxMindDbError>,
    },
    /// They are a database of another kind.
    #[snafu(display("has no {wanted} in it: it is a database of the type {found:?}"))]
    OtherKind {
        /// What its rows should have.
        wanted: &'static str,
        /// The type that it names itself.
        found: String,
    },
}

/// Opens a database and looks at all of it. `has` says whether it has `wanted` in it.
pub(super) fn open(
    bytes: Vec<u8>,
    wanted: &'static str,
    has: impl Fn(&Reader<Vec<u8>>) -> Result<bool, MaxMindDbError>,
) -> Result<Reader<Vec<u8>>, DatabaseError> {
    let reader = Reader::from_source(bytes).context(DamagedSnafu)?;
    // Before the rows are read one by one: it ends where the tree of networks leads in circles.
    reader.verify().context(DamagedSnafu)?;
    let found = &reader.metadata().database_type;
    ensure!(has(&reader).context(DamagedSnafu)?, OtherKindSnafu { wanted, found });
    Ok(reader)
}

/// Reads each row once, however many networks share it; whether one of them has what is wanted.
pub(super) fn any_row<'d, R: Deserialize<'d>>(
    reader: &'d Reader<Vec<u8>>,
    has: impl Fn(&R) -> bool,
) -> Result<bool, MaxMindDbError> {
    let (mut seen, mut any) = (HashSet::new(), false);
    for network in reader.networks(WithinOptions::default())? {
        let network = network?;
        if network.offset().is_some_and(|offset| seen.insert(offset)) {
            any |= network.decode()?.is_some_and(|row| has(&row));
        }
    }
    Ok(any)
}
