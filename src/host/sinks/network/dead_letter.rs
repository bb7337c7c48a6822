//! Events that a peer refuses, on disk with the reason.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tokio::task;

use super::Batch;
use crate::host::sinks::append::Appender;

/// The file of one sink's dead letters: one JSON object a line with `time`, `sink`, `reason` and `event`.
#[derive(Clone)]
pub(in crate::host::sinks) struct DeadLetters {
    sink: String,
    path: PathBuf,
    // Shared with the blocking thread that writes.
    appender: Arc<Mutex<Appender>>,
}

impl DeadLetters {
    /// The dead letters of the sink `sink` at `path`. The file is made when the first of them comes.
    pub(in crate::host::sinks) fn new(sink: &str, path: &Path) -> Self {
        let appender = Arc::new(Mutex::new(Appender::new(path)));
        Self { sink: sink.to_owned(), path: path.to_owned(), appender }
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the events of `batch`, synchronised to disk.
    pub(super) async fn add(&self, batch: &Batch, reason: &str) -> io::Result<()> {
        let mut text = Vec::with_capacity(batch.json_size() + batch.len() * 128);
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let head =
            format!("{{\"time\":\"{time}\",\"sink\":\"{}\",\"reason\":{},\"event\":", self.sink, Value::from(reason));
        for event in batch.events() {
            text.extend_from_slice(head.as_bytes());
            event.write_json(&mut text);
            text.extend_from_slice(b"}\n");
        }
        let (appender, directory) = (Arc::clone(&self.appender), self.path.parent().map(Path::to_owned));
        let written = task::spawn_blocking(move || {
            if let Some(directory) = directory.filter(|directory| !directory.as_os_str().is_empty()) {
                fs::create_dir_all(directory)?;
            }
            appender.lock().unwrap_or_else(PoisonError::into_inner).append(&text)
        });
        written.await.map_err(io::Error::from).flatten()
    }
}
