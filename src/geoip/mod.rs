//! The files of the GeoIP databases: read at the start, and again when they change.
//!
//! A file that cannot be used is an error at the start. Later it changes nothing: what was read before stays in use.

mod file;
mod telemetry;

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::time::{MissedTickBehavior, interval};

pub use self::file::GeoipError;
use self::telemetry::GeoipFile;
use crate::{
    config::GeoipConfig,
    normalize::{CityDatabase, GeoipDatabases, NetworkDatabase},
    watched::{self, Watched},
};

/// Reads a database of places. `key` is what names its path, for the error.
///
/// # Errors
///
/// When it cannot be read, is damaged, or is a database of another kind.
pub fn read_city(key: &str, path: &Path) -> Result<Arc<CityDatabase>, GeoipError> {
    file::read(key, path, "of places, such as GeoLite2-City.mmdb", CityDatabase::new).map(Arc::new)
}

/// Reads a database of autonomous systems. `key` is what names its path, for the error.
///
/// # Errors
///
/// When it cannot be read, is damaged, or is a database of another kind.
pub fn read_asn(key: &str, path: &Path) -> Result<Arc<NetworkDatabase>, GeoipError> {
    file::read(key, path, "of autonomous systems, such as GeoLite2-ASN.mmdb", NetworkDatabase::new).map(Arc::new)
}

/// The databases of a source, as they are now.
#[derive(Clone, Debug)]
pub struct Geoip(Arc<RwLock<Arc<GeoipDatabases>>>);

impl Geoip {
    /// The databases as they are now. They stay what they are, whatever becomes of the files.
    pub fn current(&self) -> Arc<GeoipDatabases> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The files of a source's databases.
#[derive(Debug)]
pub struct GeoipFiles {
    files: Vec<Watch>,
    databases: Geoip,
}

/// A file, and how it looked when it was last read.
#[derive(Debug)]
struct Watch {
    file: File,
    watched: Watched,
    /// Whether it was reported that the file cannot be used.
    told: bool,
}

/// A file, and the key that names it.
#[derive(Clone, Debug)]
struct File {
    kind: GeoipFile,
    key: String,
    path: PathBuf,
}

impl File {
    /// Reads the file, and puts it into the place of what was read before.
    fn read_into(&self, databases: &mut GeoipDatabases) -> Result<(), GeoipError> {
        match self.kind {
            GeoipFile::City => databases.city = Some(read_city(&self.key, &self.path)?),
            GeoipFile::Asn => databases.asn = Some(read_asn(&self.key, &self.path)?),
        }
        Ok(())
    }

    fn tell_loaded(&self, databases: &GeoipDatabases) {
        let built = match self.kind {
            GeoipFile::City => databases.city.as_ref().map(|database| database.built()),
            GeoipFile::Asn => databases.asn.as_ref().map(|database| database.built()),
        };
        telemetry::geoip_loaded(self.kind, &self.path, built.unwrap_or_default());
    }
}

impl GeoipFiles {
    /// Reads the files of a configuration; `None` if it names none. `path` is where its table is, such as
    /// `sources.m365.normalize.geoip`. Takes some time for large files: call it where that may block.
    ///
    /// # Errors
    ///
    /// When one of them cannot be used.
    pub fn open(config: &GeoipConfig, path: &str) -> Result<Option<Self>, GeoipError> {
        let mut databases = GeoipDatabases::default();
        let mut files = Vec::new();
        for (kind, file) in [(GeoipFile::City, &config.city_db), (GeoipFile::Asn, &config.asn_db)] {
            let Some(file) = file else { continue };
            let file = File { kind, key: format!("{path}.{}_db", kind.as_str()), path: file.clone() };
            // Looked at before it is read: a change in between shows at the next look.
            let watched = Watched::new([file.path.as_path()]);
            file.read_into(&mut databases)?;
            files.push(Watch { file, watched, told: false });
        }
        let databases = Geoip(Arc::new(RwLock::new(Arc::new(databases))));
        Ok((!files.is_empty()).then_some(Self { files, databases }))
    }

    /// The databases, now and after each change.
    pub fn databases(&self) -> Geoip {
        self.databases.clone()
    }

    /// Looks indefinitely whether files have changed, and reads those anew.
    pub async fn watch(mut self) {
        let databases = self.databases.current();
        self.files.iter().for_each(|watch| watch.file.tell_loaded(&databases));
        drop(databases);
        let mut looks = interval(watched::EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for watch in &mut self.files {
                if watch.watched.changed() {
                    watch.reload(&self.databases).await;
                }
            }
        }
    }
}

impl Watch {
    async fn reload(&mut self, current: &Geoip) {
        let (file, mut databases) = (self.file.clone(), (*current.current()).clone());
        // Away from the threads that events are made on.
        let reading = tokio::task::spawn_blocking(move || file.read_into(&mut databases).map(|()| databases));
        // Else the runtime ends.
        let Ok(read) = reading.await else { return };
        match read {
            Ok(databases) => {
                self.told = false;
                self.file.tell_loaded(&databases);
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(databases);
            }
            Err(error) => {
                // The cause of a failed read may end without a change of the file's metadata; its content cannot change
                // that way.
                if error.is_about_access() {
                    self.watched.retry();
                }
                if !mem::replace(&mut self.told, true) {
                    telemetry::geoip_reload_failed(self.file.kind, &error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
