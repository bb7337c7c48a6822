//! Moments in the run of a program, as they show from outside. An action that is timed by them happens after the same
//! amount of work, however busy the machine is.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::PathBuf,
};

use office365_source::simulator::{Operation, Simulator};

/// What shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// A request to the simulator.
    Asked(Operation),
    /// A line in the log that has this text.
    Logged(&'static str),
    /// An event in the file that the sink writes.
    Written,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(operation) => write!(f, "request {operation}"),
            Self::Logged(text) => write!(f, "line \"{text}\""),
            Self::Written => f.write_str("event written"),
        }
    }
}

/// Counts what shows from its making on.
pub struct Watch<'a> {
    seen: Seen,
    simulator: &'a Simulator,
    asked_before: u64,
    file: PathBuf,
    read: u64,
    unfinished: Vec<u8>,
    lines: u64,
}

impl<'a> Watch<'a> {
    /// `file` is the one whose lines count.
    pub fn new(seen: Seen, simulator: &'a Simulator, file: PathBuf) -> Self {
        let asked_before = asked(seen, simulator);
        let read = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        Self { seen, simulator, asked_before, file, read, unfinished: Vec::new(), lines: 0 }
    }

    /// How often it has shown.
    pub fn count(&mut self) -> u64 {
        match self.seen {
            Seen::Asked(_) => asked(self.seen, self.simulator) - self.asked_before,
            Seen::Logged(text) => self.lines_with(text),
            Seen::Written => self.lines_with(""),
        }
    }

    fn lines_with(&mut self, text: &str) -> u64 {
        let mut file = match File::open(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.lines,
            file => file.unwrap(),
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        self.read += file.read_to_end(&mut self.unfinished).unwrap() as u64;
        let Some(end) = self.unfinished.iter().rposition(|byte| *byte == b'\n') else { return self.lines };
        let rest = self.unfinished.split_off(end + 1);
        let new = String::from_utf8_lossy(&self.unfinished).lines().filter(|line| line.contains(text)).count();
        self.lines += new as u64;
        self.unfinished = rest;
        self.lines
    }
}

fn asked(seen: Seen, simulator: &Simulator) -> u64 {
    match seen {
        Seen::Asked(operation) => simulator.stats().requests_for(operation),
        Seen::Logged(_) | Seen::Written => 0,
    }
}
