//! Missing events on the standard output.

use std::io::{self, BufWriter, Stdout, Write};

use crate::{cli::output::complain, component::SourceSenderItem};

/// The standard output, as the place to which events are delivered.
pub(super) struct EventsOut {
    out: BufWriter<Stdout>,
    written: u64,
}

impl EventsOut {
    pub(super) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout()), written: 0 }
    }

    /// Writes a batch, one JSON object a line. What has been written counts as delivered.
    pub(super) fn write(&mut self, batch: &SourceSenderItem) -> io::Result<()> {
        let mut text = Vec::new();
        for event in &batch.events {
            text.clear();
            event.write_json(&mut text);
            text.push(b'\n');
            self.out.write_all(&text)?;
        }
        self.out.flush()?;
        self.written += batch.events.len() as u64;
        Ok(())
    }

    /// Says what a reader that went away may not have read.
    pub(super) fn reader_is_gone(&self) {
        complain(&format_args!(
            "The reader of the standard output has ended. The {} events of the batches before count as delivered, also those of the last \
             64 KiB or so, which it may not have read. The rest stays missing and comes with the next run of this command.",
            self.written
        ));
    }
}

/// Whether what is written to the standard output is lost: to the null device, or because there is none. (A standard output that
/// is closed when a Rust program starts is the null device.)
#[cfg(unix)]
pub(super) fn is_lost() -> bool {
    use rustix::fs::{fstat, stat};
    match (fstat(io::stdout()), stat("/dev/null")) {
        (Ok(out), Ok(null)) => out.st_rdev == null.st_rdev && out.st_mode == null.st_mode,
        _ => false,
    }
}

#[cfg(not(unix))]
pub(super) fn is_lost() -> bool {
    false
}
