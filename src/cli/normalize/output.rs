//! Events on the standard output, and on the standard error what is wrong with the input.

use std::{
    io::{self, ErrorKind, StdoutLock, Write},
    mem,
};

use chrono::{DateTime, Utc};

use super::{
    found::{Found, Place, Problem},
    record::{self, Read},
};
use crate::{
    cli::output::complain,
    collector::Record,
    component::Repair,
    normalize::{Damages, Made, Normalizer, Origin},
};

/// How many bytes of events are written at once.
const ENOUGH: usize = 256 << 10;

/// What is reported for every record of such an export: its events pass, but lack what Microsoft had sent.
const FLATTENED: &str = "the export is damaged: PowerShell has written objects as text, such as @{Name=…} or System.Object[]; export \
                         it again with ConvertTo-Json -Depth 100";

/// Makes events of records and writes them.
pub(super) struct Output<W> {
    normalizer: Normalizer,
    origin: Origin,
    /// When all events are made; without, each is when it is.
    now: Option<DateTime<Utc>>,
    show_damage: bool,
    out: W,
    /// Events that are not written yet.
    text: Vec<u8>,
    written: io::Result<()>,
    records: u64,
    bad: u64,
    /// How many have no time that can be read.
    timeless: u64,
}

impl Output<StdoutLock<'static>> {
    /// Output to the standard output.
    pub(super) fn stdout(
        normalizer: Normalizer,
        origin: Origin,
        now: Option<DateTime<Utc>>,
        show_damage: bool,
    ) -> Self {
        let out = io::stdout().lock();
        Self {
            normalizer,
            origin,
            now,
            show_damage,
            out,
            text: Vec::new(),
            written: Ok(()),
            records: 0,
            bad: 0,
            timeless: 0,
        }
    }
}

impl<W: Write> Output<W> {
    /// Takes what was found in the input of this name.
    pub(super) fn take(&mut self, input: &str, Found { place, text, is_row }: Found) {
        match text {
            Ok(text) => record::read(text, is_row, &mut |read| self.one(input, place, read)),
            Err(problem) => self.one(input, place, Err(problem)),
        }
    }

    /// Writes what has gathered, before waiting for more input. After that [`Output::is_open`] is up to date.
    pub(super) fn write(&mut self) {
        let text = mem::take(&mut self.text);
        if self.written.is_ok() && !text.is_empty() {
            self.written = self.out.write_all(&text).and_then(|()| self.out.flush());
        }
        // The allocation is used again.
        self.text = text;
        self.text.clear();
    }

    /// Whether the output still has a reader.
    pub(super) const fn is_open(&self) -> bool {
        self.written.is_ok()
    }

    /// Reports the total if something was bad. Returns whether nothing was. A reader that had enough (`| head`) is no failure.
    pub(super) fn end(self) -> bool {
        let Self { records, bad, timeless, written, .. } = self;
        if timeless > 0 {
            complain(&format_args!(
                "{timeless} of {records} records have no time that can be read; in ECS and OCSF their events have the time of now"
            ));
        }
        match written {
            Ok(()) if bad > 0 => complain(&format_args!("{records} records, {bad} bad")),
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                complain(&format_args!("Cannot write to the standard output: {error}"));
                return false;
            }
            _ => {}
        }
        bad == 0
    }

    fn one(&mut self, input: &str, place: Place, read: Result<Read, Problem>) {
        self.records += 1;
        match read {
            Ok(Read { record, is_flattened }) => {
                self.event(input, place, record);
                if is_flattened {
                    complain(&format_args!("{input}: {place}{FLATTENED}"));
                }
            }
            Err(problem) => self.bad(input, place, &problem),
        }
        if self.text.len() >= ENOUGH {
            self.write();
        }
    }

    fn event(&mut self, input: &str, place: Place, Record { object, members, repair }: Record) {
        self.timeless += u64::from(members.creation_time.is_none());
        let now = self.now.unwrap_or_else(Utc::now);
        let Made { event, damages, .. } = self.normalizer.event(object, &members, &self.origin, now);
        event.write_json(&mut self.text);
        self.text.push(b'\n');
        if self.show_damage {
            for damage in [repaired(repair), told(&damages)].into_iter().flatten() {
                complain(&format_args!("{input}: {place}{damage}"));
            }
        }
    }

    fn bad(&mut self, input: &str, place: Place, problem: &Problem) {
        self.bad += 1;
        complain(&format_args!("{input}: {place}{problem}"));
    }
}

/// The damaged fields. Their names are the input's: a terminal is to show them, not to obey them.
fn told(damages: &Damages) -> Option<String> {
    let plain = |text: String| text.replace(char::is_control, "\u{fffd}");
    (!damages.is_empty()).then(|| plain(damages.to_string()))
}

fn repaired(Repair { invalid_utf8, lone_surrogates, control_characters }: Repair) -> Option<String> {
    let replaced: Vec<_> = [
        invalid_utf8.then_some("bytes that are no UTF-8"),
        (lone_surrogates > 0).then_some("halves of surrogate pairs"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let replaced = (!replaced.is_empty()).then(|| format!("{} were replaced by U+FFFD", replaced.join(" and ")));
    let escaped = (control_characters > 0).then(|| "control characters in strings were escaped".to_owned());
    match (replaced, escaped) {
        (Some(replaced), Some(escaped)) => Some(format!("{replaced}; {escaped}")),
        (replaced, escaped) => replaced.or(escaped),
    }
}
