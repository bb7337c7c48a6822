//! What stops the collector, and what stops a blob.

use std::{io, path::PathBuf};

use snafu::Snafu;

use crate::{activity::ActivityError, graph::GraphError, ledger::LedgerError};

/// Why collecting cannot go on. Nothing is lost: what is pending stays pending.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum CollectorError {
    /// The ledger failed.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// How.
        source: LedgerError,
    },
    /// Large bodies cannot be spooled.
    #[snafu(display(
        "data_dir: cannot spool a content blob to {}: {source}; check the disk, and the owner and permissions of the directory",
        directory.display()
    ))]
    Spool {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pipeline is gone.
    #[snafu(display("the pipeline no longer takes events"))]
    PipelineClosed,
    /// A defect of this program.
    #[snafu(display("a task of the collector failed: {detail}; please report this"))]
    Defect {
        /// What is known.
        detail: String,
    },
}

/// Why a stage of a blob did not end as it should.
#[derive(Debug, Snafu)]
pub enum BlobError {
    /// Its content cannot be fetched now, or not at all.
    #[snafu(display("{source}"), context(false))]
    Failed {
        /// Why.
        source: ActivityError,
    },
    /// The records of a search cannot be read now, or not at all.
    #[snafu(display("{source}"), context(false))]
    Search {
        /// Why.
        source: GraphError,
    },
    /// The source shuts down, and the download was broken off.
    #[snafu(display("the source shuts down"))]
    Stopped,
    /// Collecting cannot go on.
    #[snafu(display("{source}"), context(false))]
    Fatal {
        /// Why.
        source: CollectorError,
    },
}

impl From<LedgerError> for BlobError {
    fn from(source: LedgerError) -> Self {
        Self::Fatal { source: source.into() }
    }
}

impl CollectorError {
    /// A short name for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ledger { source } => source.code(),
            Self::Spool { .. } => "spool",
            Self::PipelineClosed => "pipeline_closed",
            Self::Defect { .. } => "defect",
        }
    }

    /// What kind of error it is, in the words of Vector's specification of components.
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::Ledger { .. } | Self::Spool { .. } => "io_failed",
            Self::PipelineClosed => "writer_failed",
            Self::Defect { .. } => "condition_failed",
        }
    }
}
