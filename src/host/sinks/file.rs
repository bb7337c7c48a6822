//! Events to the end of a file.
//!
//! A group is written, synchronised to disk once, and then acknowledged. A file that logrotate has moved is made anew (no
//! `copytruncate` and no signal needed; `delaycompress` is, since a group that is being written at that moment still goes
//! to the moved file).

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use snafu::ResultExt;
use tokio::task;

use super::{
    Build, BuildContext, Run, Sink, SinkError, WriteError,
    append::{Appender, check_kind, directory},
    driver::LocalSink,
    error::OpenSnafu,
    ndjson,
};
use crate::{
    config::{FileSinkConfig, SinkConfig},
    host::delivery::Delivery,
};

/// Appends groups to a file.
struct FileSink {
    key: String,
    path: PathBuf,
    // Shared with the blocking thread that writes; never with another sink.
    appender: Arc<Mutex<Appender>>,
}

#[async_trait]
impl Build for FileSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(Box::new(LocalSink(FileSink::open(cx.name(), &self.path).await?)))
    }
}

impl FileSink {
    async fn open(name: &str, path: &Path) -> Result<Self, SinkError> {
        let key = key(name);
        let mut appender = Appender::new(path);
        let opened = task::spawn_blocking(move || appender.open().map(|()| appender)).await;
        let appender = opened.map_err(io::Error::from).flatten();
        let appender = appender.with_context(|_| OpenSnafu { key: key.as_str(), path })?;
        Ok(Self { key, path: path.to_owned(), appender: Arc::new(Mutex::new(appender)) })
    }
}

fn key(name: &str) -> String {
    format!("sinks.{name}.path")
}

#[async_trait]
impl Sink for FileSink {
    async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError> {
        let mut text = Vec::new();
        ndjson::render(group.iter().flat_map(Delivery::events), &mut text);
        let appender = Arc::clone(&self.appender);
        let written = task::spawn_blocking(move || {
            let mut appender = appender.lock().unwrap_or_else(PoisonError::into_inner);
            appender.append(&text).map(|()| text.len() as u64)
        });
        written.await.map_err(io::Error::from).flatten().map_err(WriteError::MayPass)
    }

    fn failure(&self, source: io::Error, attempts: u32) -> SinkError {
        SinkError::File { key: self.key.clone(), path: self.path.clone(), attempts, source }
    }
}

/// Says what keeps a sink from being opened, without making or changing anything.
///
/// # Errors
///
/// When the file is a directory or a pipe, or its directory is missing.
pub fn check_sink(name: &str, config: &SinkConfig) -> Result<(), SinkError> {
    // The directory of dead letters is made when it is needed.
    let (key, path) = match (config, config.network().and_then(|network| network.dead_letter.path.as_ref())) {
        (SinkConfig::File(file), _) => (key(name), &file.path),
        (_, Some(path)) => (format!("sinks.{name}.dead_letter.path"), path),
        _ => return Ok(()),
    };
    let found = match fs::metadata(path) {
        Ok(metadata) => check_kind(&metadata),
        Err(error) if error.kind() == ErrorKind::NotFound && config.network().is_some() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::metadata(directory(path)).map(drop),
        Err(error) => Err(error),
    };
    found.with_context(|_| OpenSnafu { key, path: path.as_path() })
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
