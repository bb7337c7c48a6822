//! Human-readable events.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Stdout, Write},
};

use super::fields::Fields;
use crate::{
    cli::{args::DemoArgs, output::has_colours},
    component::LogEvent,
};

/// How many lines a workload gets.
const PER_WORKLOAD: usize = 4;

/// Prints events: all as NDJSON, or a number of them as lines to read and one in full.
pub(super) struct Show {
    out: BufWriter<Stdout>,
    json: bool,
    lines_left: usize,
    /// Lines shown of each workload: the first content types must not take all.
    shown: BTreeMap<String, usize>,
    in_full: bool,
    /// The one event in full, for after the lines.
    last: String,
    colours: bool,
    buffer: Vec<u8>,
}

impl Show {
    pub(super) fn new(args: &DemoArgs) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            json: args.json,
            lines_left: args.events,
            shown: BTreeMap::new(),
            in_full: args.events > 0,
            last: String::new(),
            colours: has_colours(&io::stdout()),
            buffer: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: &LogEvent, fields: &Fields) -> io::Result<()> {
        if self.json {
            self.buffer.clear();
            event.write_json(&mut self.buffer);
            self.buffer.push(b'\n');
            return self.out.write_all(&self.buffer);
        }
        if self.in_full && fields.text("/event/action") == "Add application." {
            self.in_full = false;
            self.last = fields.in_full();
            return Ok(());
        }
        let shown = self.shown.entry(fields.text("/event/provider").to_owned()).or_default();
        if self.lines_left > 0 && *shown < PER_WORKLOAD {
            *shown += 1;
            self.lines_left -= 1;
            self.line(event, fields)?;
            if self.lines_left == 0 {
                writeln!(self.out, "… (all of them with --json)\n\n{}", self.last)?;
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, event: &LogEvent, fields: &Fields) -> io::Result<()> {
        let time = event.timestamp().map_or_else(String::new, |time| time.format("%H:%M:%S").to_string());
        let failed = fields.text("/event/outcome") == "failure";
        let (dim, strong, end) = match (self.colours, failed) {
            (false, _) => ("", "", ""),
            (true, false) => ("\x1b[2m", "\x1b[36m", "\x1b[0m"),
            (true, true) => ("\x1b[2m", "\x1b[31m", "\x1b[0m"),
        };
        writeln!(
            self.out,
            "{dim}{time:8}{end} {:24} {strong}{:32}{end} {:30} {dim}{}{end}",
            fields.text("/event/provider"),
            fields.text("/event/action"),
            fields.text("/user/id"),
            fields.text("/client/address"),
        )
    }
}
