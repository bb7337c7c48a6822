//! Log lines and metrics of the GeoIP databases.

use std::{fmt::Display, path::Path};

use metrics::{counter, gauge};
use tracing::{error, info};

use crate::telemetry::count_error;

/// Which of the databases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GeoipFile {
    /// The one of places.
    City,
    /// The one of autonomous systems.
    Asn,
}

impl GeoipFile {
    /// Its name in keys and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Asn => "asn",
        }
    }
}

/// A database is in use from now on. It was built at `built`, in seconds since 1970.
pub fn geoip_loaded(file: GeoipFile, path: &Path, built: u64) {
    counter!("office365_geoip_databases_loaded_total", "database" => file.as_str()).increment(1);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below where a float loses precision")]
    gauge!("office365_geoip_database_built_timestamp_seconds", "database" => file.as_str()).set(built as f64);
    info!(message = "GeoIP database loaded.", database = file.as_str(), path = %path.display(), built);
}

/// A file that has changed cannot be used; what was loaded before stays in use.
pub fn geoip_reload_failed(file: GeoipFile, problem: &impl Display) {
    count_error("configuration_failed", "processing", "geoip_reload");
    error!(
        message = "A changed GeoIP database cannot be used; the one before it stays in use.",
        database = file.as_str(), error = %problem,
        error_code = "geoip_reload", error_type = "configuration_failed", stage = "processing"
    );
}
