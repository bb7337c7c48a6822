//! One instance of the plugin: a source in a runtime of its own, and the callbacks' end of it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use office365_source::{
    component::{
        ComponentKey, GlobalOptions, LogNamespace, ShutdownSignal, ShutdownTrigger, Source, SourceConfig,
        SourceContext, SourceOutput, SourceReceiver, SourceSender,
    },
    config::{AcknowledgementsConfig, ProxyConfig},
};
use snafu::{ResultExt, Snafu};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{Dispatch, error, info};

use crate::{
    handover::Handover,
    host::{HostLog, Level},
    log::Log,
    pump::{Queue, pump},
};

/// The first wait after a source has failed, and the longest; each is twice the one before.
const RESTART: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

/// How long threads that are about to end are waited for, after the source itself.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// One thread for the source, one so that its webhook does not wait for it.
const WORKERS: usize = 2;

/// What an instance needs beside its source.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) proxy: ProxyConfig,
    pub(crate) acknowledgements: AcknowledgementsConfig,
    pub(crate) chunk_bytes: usize,
    pub(crate) shutdown_timeout: Duration,
}

/// Why an instance did not start.
#[derive(Debug, Snafu)]
pub(crate) enum StartError {
    /// No threads.
    #[snafu(display(
        "cannot start threads: {source}. Allow this process more threads, or stop other programs, and start again."
    ))]
    Threads {
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The source cannot run as configured.
    #[snafu(display("{source}"))]
    Build {
        /// What the source says.
        source: office365_source::Error,
    },
}

/// A running instance.
#[derive(Debug)]
pub(crate) struct Instance {
    host: HostLog,
    prefix: String,
    log: Log,
    handover: Handover,
    // Its place is before the runtime's, which ends what still runs.
    ending: Option<Ending>,
}

#[derive(Debug)]
struct Ending {
    trigger: ShutdownTrigger,
    queue: Queue,
    source: JoinHandle<()>,
    runtime: Runtime,
    timeout: Duration,
}

impl Instance {
    /// Builds the source and lets it run.
    ///
    /// # Errors
    ///
    /// When it cannot run as configured. The log has been written then.
    pub(crate) fn start(host: HostLog, source: Box<dyn SourceConfig>, settings: Settings) -> Result<Self, StartError> {
        let prefix = prefix(&settings.name);
        let log = Log::default();
        let dispatch = log.dispatch(host.level());
        let runtime = runtime(dispatch.clone()).context(ThreadsSnafu)?;
        let (queue, pieces) = Queue::new(settings.chunk_bytes);
        let handover = Handover::new(pieces, settings.chunk_bytes, Instant::now());
        let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
        let timeout = settings.shutdown_timeout;
        let supervisor = Supervisor { config: source, settings, shutdown, queue: queue.clone() };
        let built = tracing::dispatcher::with_default(&dispatch, || runtime.block_on(supervisor.build()));
        log.print(&host, &prefix);
        let built = match built {
            Ok(built) => built,
            Err(source) => {
                runtime.shutdown_timeout(LAST_THREADS);
                return Err(StartError::Build { source });
            }
        };
        let source = runtime.spawn(supervisor.run(built));
        Ok(Self { host, prefix, log, handover, ending: Some(Ending { trigger, queue, source, runtime, timeout }) })
    }

    /// A callback has come, at `now`: what is to be given to Fluent Bit. Never waits.
    pub(crate) fn collect(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.log.print(&self.host, &self.prefix);
        self.handover.collect(now)
    }

    /// What [`Self::collect`] has returned last could not be given.
    pub(crate) fn take_back(&mut self, bytes: Vec<u8>) {
        self.say(Level::Warn, "there is no memory for what is to be given to Fluent Bit; trying again in a second");
        self.handover.take_back(bytes);
    }

    /// Fluent Bit takes nothing for now.
    pub(crate) fn pause(&mut self) {
        self.handover.pause();
        self.say(Level::Debug, "paused");
    }

    /// Fluent Bit goes on.
    pub(crate) fn resume(&mut self) {
        self.handover.resume(Instant::now());
        self.say(Level::Debug, "resumed");
    }

    /// Stops the source and waits until its threads have ended, for a bounded time. What Fluent Bit has not taken for sure
    /// is errored.
    pub(crate) fn stop(&mut self) {
        let Some(Ending { trigger, queue, source, runtime, timeout: limit }) = self.ending.take() else { return };
        trigger.cancel();
        // Both before waiting: the source waits for what becomes of its events.
        queue.close();
        self.handover = Handover::new(tokio::sync::mpsc::unbounded_channel().1, 1, Instant::now());
        let ended = runtime.block_on(async { timeout(limit, source).await });
        runtime.shutdown_timeout(LAST_THREADS);
        self.log.print(&self.host, &self.prefix);
        let why = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("the source has ended with a defect ({error}); please report it"),
            Err(_) => format!("the source has not ended within {} seconds and was stopped", limit.as_secs()),
        };
        self.say(
            Level::Warn,
            &format!("{why}. Nothing is lost: what is not delivered is fetched again after the next start"),
        );
    }

    fn say(&self, level: Level, text: &str) {
        self.host.write(level, &format!("{}{text}", self.prefix));
    }
}

/// What log lines of a source begin with.
pub(crate) fn prefix(name: &str) -> String {
    format!("[office365:{name}] ")
}

fn runtime(dispatch: Dispatch) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("office365")
        .enable_all()
        // Forgotten, so that it lasts as long as the thread.
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
        .build()
}

/// Keeps a source running. A failed one is built anew: Fluent Bit offers no way to say that an input is done, so that one
/// which stopped would go unnoticed.
struct Supervisor {
    config: Box<dyn SourceConfig>,
    settings: Settings,
    shutdown: ShutdownSignal,
    queue: Queue,
}

/// A source that is about to run, and its batches.
type Built = (Source, SourceReceiver);

impl Supervisor {
    async fn build(&self) -> office365_source::Result<Built> {
        let key = ComponentKey::from(self.settings.name.clone());
        let mut builder = SourceSender::builder().with_timeout(self.config.send_timeout());
        let output = SourceOutput::new_logs(LogNamespace::default());
        let batches = builder.add_source_output(output, key.clone());
        let globals = GlobalOptions {
            data_dir: Some(self.settings.data_dir.clone()),
            acknowledgements: self.settings.acknowledgements,
            proxy: self.settings.proxy.clone(),
        };
        let mut context = SourceContext::new(key, globals, builder.build());
        context.shutdown = self.shutdown.clone();
        Ok((self.config.build(context).await?, batches))
    }

    async fn run(self, first: Built) {
        let [mut wait, longest] = RESTART;
        let mut next = Some(first);
        loop {
            if let Some((source, batches)) = next.take() {
                let began = Instant::now();
                let panicked = until_both_end(source, pump(batches, self.queue.clone())).await;
                if self.shutdown.is_shutting_down() {
                    return;
                }
                if began.elapsed() > longest {
                    wait = RESTART[0];
                }
                error!(message = "The source has stopped; starting it again.", wait_secs = wait.as_secs(), panicked,);
            }
            tokio::select! {
                _ = self.shutdown.clone() => return,
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(longest);
            match self.build().await {
                Ok(built) => {
                    info!("The source starts again.");
                    next = Some(built);
                }
                Err(error) => {
                    error!(message = "The source cannot start again; trying later.", %error, wait_secs = wait.as_secs());
                }
            }
        }
    }
}

/// Lets a source and its pump run until both have ended; whether one of them panicked. Each is a task of its own, whose panic
/// is its own. Without its pump a source would wait indefinitely, so that it is ended then.
async fn until_both_end(source: Source, pump: impl Future<Output = ()> + Send + 'static) -> bool {
    let mut source = tokio::spawn(source);
    let mut pump = tokio::spawn(pump);
    tokio::select! {
        ended = &mut source => pump.await.is_err() || ended.is_err(),
        ended = &mut pump => {
            if ended.is_err() {
                source.abort();
            }
            source.await.is_err() || ended.is_err()
        }
    }
}

#[cfg(test)]
#[path = "instance_tests.rs"]
mod tests;
