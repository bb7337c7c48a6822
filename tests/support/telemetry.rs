//! What a source reports: counters and log lines, for the thread that runs the test.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit};
use tokio::{sync::Notify, time::timeout};
use tracing::subscriber::DefaultGuard;

use super::feeder::GUARD;

/// Listens to everything that the thread of the test reports, for as long as it lives.
pub struct Listening {
    pub counters: &'static Counters,
    pub log: Log,
    _recorder: LocalRecorderGuard<'static>,
    _subscriber: DefaultGuard,
}

impl Listening {
    pub fn start() -> Self {
        // Leaked, since a recorder must outlive everything that counts; a few maps a test.
        let counters: &'static Counters = Box::leak(Box::default());
        let log = Log::default();
        Self {
            counters,
            _recorder: metrics::set_default_local_recorder(counters),
            _subscriber: tracing::subscriber::set_default(log.subscriber()),
            log,
        }
    }
}

/// Sums of counters and values of gauges, by `name{label=value,…}`.
#[derive(Debug, Default)]
pub struct Counters {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn full_name(key: &Key) -> String {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Counters {
    /// The sum of every counter of this name whose labels contain `label`.
    pub fn sum(&self, name: &str, label: &str) -> u64 {
        let counters = self.counters.lock().unwrap();
        let wanted = counters.iter().filter(|(key, _)| key.split('{').next() == Some(name) && key.contains(label));
        wanted.map(|(_, counter)| counter.load(Ordering::Relaxed)).sum()
    }

    /// The value of the only gauge of this name.
    pub fn gauge(&self, name: &str) -> f64 {
        let gauges = self.gauges.lock().unwrap();
        let found: Vec<_> = gauges.iter().filter(|(key, _)| key.split('{').next() == Some(name)).collect();
        let [(_, value)] = found.as_slice() else { panic!("{name}: {gauges:?}") };
        f64::from_bits(value.load(Ordering::Relaxed))
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(self.counters.lock().unwrap().entry(full_name(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(self.gauges.lock().unwrap().entry(full_name(key)).or_default()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Log lines, all levels.
#[derive(Clone, Debug, Default)]
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    written: Arc<Notify>,
}

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    pub fn clear(&self) {
        self.text.lock().unwrap().clear();
    }

    /// Waits for a log line that has these words.
    pub async fn wait_for(&self, words: &str) {
        let wait = async {
            loop {
                let written = self.written.notified();
                if self.text().contains(words) {
                    break;
                }
                written.await;
            }
        };
        timeout(GUARD, wait).await.unwrap_or_else(|_| panic!("{words:?} is not in {}", self.text()));
    }

    pub fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || log.clone())
            .finish()
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(line);
        self.written.notify_waiters();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
