//! `office365-source normalize`
//!
//! Input goes through in pieces: bytes become UTF-8 (`encoding`), the form of the input is found (`input`), and objects
//! are cut out of it (`json`, `export`). A list of records is taken apart while it comes in, however deep in an object
//! it is, if the names that lead to it say so (`way`). In each object the records are found (`record`): it may be one
//! (`outline`), hold some (`wrapped`, `carriers`), or one in `AuditData` (`audit_data`) and say beside it what that
//! lacks (`beside`). Their events are written (`output`). So memory is bounded by one object, and the events of all
//! input so far are written before the reader waits for more.

mod audit_data;
mod carriers;
mod elements;
mod encoding;
mod export;
mod found;
mod input;
mod json;
mod nesting;
mod outline;
mod output;
mod powershell;
mod record;
mod way;
mod wrapped;

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use self::{
    found::{Found, Problem},
    input::Input,
    output::Output,
    record::Read,
};
use super::{
    args::{EventSchema, NormalizeArgs},
    exit,
    output::complain,
};
use crate::{
    config::MemoryConfig,
    geoip::{self, GeoipError},
    normalize::{GeoipDatabases, NormalizeOptions, Normalizer, Origin, Schema},
};

/// How many bytes are read at once.
const PIECE: usize = 64 << 10;

/// The name of the standard input among files.
const STDIN: &str = "-";

pub(super) fn normalize(args: &NormalizeArgs) -> ExitCode {
    let geoip = match geoip(args) {
        Ok(geoip) => geoip,
        Err(error) => {
            complain(&error);
            return exit::FAILURE;
        }
    };
    let origin = Origin::outside(args.tenant_domain.as_deref()).with_geoip(geoip);
    let mut output = Output::stdout(Normalizer::new(options(args)), origin, args.now, args.show_damage);
    let stdin = [PathBuf::from(STDIN)];
    let files = if args.files.is_empty() { &stdin } else { args.files.as_slice() };
    let mut all_read = true;
    for path in files {
        let name = name(path);
        if let Err(error) = open(path).and_then(|from| read(from, &name, &mut output)) {
            complain(&format_args!("{name}: {error}"));
            all_read = false;
        }
    }
    if output.end() && all_read { exit::OK } else { exit::FAILURE }
}

/// The databases of addresses.
fn geoip(args: &NormalizeArgs) -> Result<Arc<GeoipDatabases>, GeoipError> {
    let city = args.geoip_city_db.as_deref().map(|path| geoip::read_city("--geoip-city-db", path)).transpose()?;
    let asn = args.geoip_asn_db.as_deref().map(|path| geoip::read_asn("--geoip-asn-db", path)).transpose()?;
    Ok(Arc::new(GeoipDatabases { city, asn }))
}

/// What is found in an input that comes in pieces of this size: the text of each record, or why there is none. For tests of the
/// readers alone.
#[must_use]
pub fn records_in(input: &[u8], piece: usize, max_record_bytes: usize) -> Vec<Result<String, String>> {
    let mut all = Vec::new();
    let mut found = |Found { place, text, is_row }: Found| {
        let mut one = |read: Result<Read, Problem>| {
            let text = read.map(|read| read.record.object.as_str().to_owned());
            all.push(text.map_err(|problem| format!("{place}{problem}")));
        };
        match text {
            Ok(text) => record::read(text, is_row, &mut one),
            Err(problem) => one(Err(problem)),
        }
    };
    let mut reader = Input::new(max_record_bytes);
    input.chunks(piece.max(1)).for_each(|piece| reader.feed(piece, &mut found));
    reader.finish(&mut found);
    all
}

fn options(args: &NormalizeArgs) -> NormalizeOptions {
    let schema = match args.schema {
        EventSchema::Ecs => Schema::Ecs,
        EventSchema::Ocsf => Schema::Ocsf,
        EventSchema::Raw => Schema::Raw,
    };
    NormalizeOptions {
        keep_original: args.keep_original,
        redact: !args.keep_detected_values,
        data_stream_namespace: args.data_stream_namespace.clone().into(),
        ..NormalizeOptions::new(schema)
    }
}

fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "standard input".to_owned() } else { path.display().to_string() }
}

fn open(path: &Path) -> io::Result<Box<dyn io::Read>> {
    Ok(if path == Path::new(STDIN) { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) })
}

/// Reads one input to its end, or until the reader of the events has ended.
fn read<W: io::Write>(mut from: Box<dyn io::Read>, name: &str, output: &mut Output<W>) -> io::Result<()> {
    let mut input = Input::new(MemoryConfig::default().max_record_bytes.as_usize());
    let mut piece = vec![0; PIECE];
    let mut read = Ok(());
    while output.is_open() {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                input.feed(piece.get(..length).unwrap_or_default(), &mut |found| output.take(name, found));
                output.write();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                read = Err(error);
                break;
            }
        }
    }
    if output.is_open() {
        input.finish(&mut |found| output.take(name, found));
        output.write();
    }
    read
}
