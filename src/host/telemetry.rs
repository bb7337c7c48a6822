//! One function for each fact that the host reports, after Vector's component specification.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use metrics::counter;
use tracing::{debug, error, info, trace, warn};

use crate::{component::ComponentKey, config::Compression, secrets::SecretError, transport::ServerTlsError};

/// What distinguishes one sink's metrics from another's.
#[derive(Clone, Debug)]
pub(super) struct SinkLabels {
    /// The sink's name in the topology.
    pub(super) id: String,
    /// The sink's type, as the configuration calls it.
    pub(super) component_type: &'static str,
}

impl SinkLabels {
    fn count(&self, name: &'static str, n: u64) {
        let labels = [
            ("component_id", self.id.clone()),
            ("component_kind", "sink".to_owned()),
            ("component_type", self.component_type.to_owned()),
        ];
        counter!(name, &labels).increment(n);
    }

    fn count_discarded(&self, events: u64) {
        let labels = [
            ("component_id", self.id.clone()),
            ("component_kind", "sink".to_owned()),
            ("component_type", self.component_type.to_owned()),
            ("intentional", "false".to_owned()),
        ];
        counter!("component_discarded_events_total", &labels).increment(events);
    }

    fn count_error(&self, error_code: &'static str, error_type: &'static str) {
        let labels = [
            ("component_id", self.id.clone()),
            ("component_kind", "sink".to_owned()),
            ("component_type", self.component_type.to_owned()),
            ("error_code", error_code.to_owned()),
            ("error_type", error_type.to_owned()),
            ("stage", "sending".to_owned()),
        ];
        counter!("component_errors_total", &labels).increment(1);
    }
}

/// A sink has written events for good. `event_bytes`: their size as JSON, before any framing of the sink's.
pub(super) fn events_sent(sink: &SinkLabels, events: u64, event_bytes: u64) {
    sink.count("component_sent_events_total", events);
    sink.count("component_sent_event_bytes_total", event_bytes);
    trace!(message = "Events sent.", component_id = sink.id, count = events, byte_size = event_bytes);
}

/// A sink has written bytes.
pub(super) fn bytes_sent(sink: &SinkLabels, byte_size: u64) {
    sink.count("component_sent_bytes_total", byte_size);
    trace!(message = "Bytes sent.", component_id = sink.id, byte_size);
}

/// A sink could not write and tries the same events again.
pub(super) fn write_retried(sink: &SinkLabels, error: &io::Error, failures: u32, wait: Duration) {
    sink.count_error("write_failed", "io_failed");
    warn!(
        message = "A sink cannot write; trying again. Nothing is acknowledged meanwhile.",
        component_id = sink.id, %error, failures, wait_secs = wait.as_secs(),
        error_code = "write_failed", error_type = "io_failed", stage = "sending"
    );
}

/// A changed configuration replaces the one that ran.
pub(super) fn reloading() {
    info!(message = "Starting again with the configuration as it is now.");
}

/// A changed configuration cannot be used after all.
pub(super) fn reload_failed(problem: &dyn std::error::Error) {
    counter!("component_errors_total", "error_code" => "reload_failed", "error_type" => "configuration_failed", "stage" => "processing")
        .increment(1);
    error!(
        message = "The changed configuration cannot be used; going on with the one before.", error = %problem,
        error_code = "reload_failed", error_type = "configuration_failed", stage = "processing"
    );
}

/// A sink has given up, and with it the host.
pub(super) fn sink_failed(sink: &SinkLabels, problem: &dyn std::error::Error) {
    sink.count_error("sink_failed", "io_failed");
    error!(
        message = "A sink has failed. Stopping; what is not delivered is sent again after the next start.",
        component_id = sink.id, error = %problem,
        error_code = "sink_failed", error_type = "io_failed", stage = "sending"
    );
}

/// A peer has not acknowledged a batch, which is sent again.
pub(super) fn request_retried(sink: &SinkLabels, reason: &str, failures: u32, wait: Duration) {
    sink.count_error("request_failed", "request_failed");
    warn!(
        message = "A batch was not acknowledged; sending it again. Nothing of it counts as delivered meanwhile.",
        component_id = sink.id, error = %reason, failures, wait_secs = wait.as_secs_f32(),
        error_code = "request_failed", error_type = "request_failed", stage = "sending"
    );
}

/// One of several servers does not work, and is not used for a while.
pub(super) fn server_rests(sink: &SinkLabels, server: &str, reason: &str, wait: Duration) {
    sink.count_error("server_unavailable", "request_failed");
    warn!(
        message = "A server has failed; the others take over until it works again.",
        component_id = sink.id, server, error = %reason, wait_secs = wait.as_secs_f32(),
        error_code = "server_unavailable", error_type = "request_failed", stage = "sending"
    );
}

/// One of several servers works again.
pub(super) fn server_returns(sink: &SinkLabels, server: &str) {
    info!(message = "A server that had failed works again.", component_id = sink.id, server);
}

/// A server has closed a connection that was kept for the next batch.
pub(super) fn kept_connection_closed(server: &str) {
    debug!(message = "The server has closed a connection that was not in use; connecting again.", server);
}

/// Splunk does not say what its indexers have.
pub(super) fn indexers_silent(sink: &SinkLabels, reason: &str) {
    sink.count_error("indexers_silent", "request_failed");
    warn!(
        message = "Cannot ask which events the indexers have; asking again. Until then nothing more counts as delivered.",
        component_id = sink.id, error = %reason,
        error_code = "indexers_silent", error_type = "request_failed", stage = "sending"
    );
}

/// A peer takes uncompressed what it has refused compressed, with `reason`.
pub(super) fn compression_unreadable(sink: &SinkLabels, compression: Compression, reason: &str) {
    let (compression, others) = match compression {
        Compression::Zstd => ("zstd", "\"gzip\" or \"none\""),
        Compression::Gzip => ("gzip", "\"none\""),
        Compression::None => return,
    };
    warn!(
        message = "The peer cannot read the compression; it gets everything uncompressed until the next start. Set the key to \
                   what it reads.",
        component_id = sink.id, compression, key = %format!("sinks.{}.compression", sink.id), set_to = others,
        error = %reason
    );
}

/// A peer has taken a batch and has something to say about it.
pub(super) fn peer_warned(sink: &SinkLabels, warning: &str) {
    warn!(message = "The peer has taken a batch with a warning.", component_id = sink.id, warning);
}

/// A peer refuses events for good; they are in a file.
pub(super) fn events_refused(sink: &SinkLabels, events: u64, reason: &str, path: &Path) {
    sink.count_error("events_refused", "request_failed");
    sink.count_discarded(events);
    error!(
        message = "The peer refuses events; they are kept as dead letters and not sent again.",
        component_id = sink.id, count = events, error = %reason, dead_letters = %path.display(), intentional = false,
        error_code = "events_refused", error_type = "request_failed", stage = "sending"
    );
}

/// Refused events cannot be kept, either.
pub(super) fn dead_letters_unwritable(sink: &SinkLabels, path: &Path, error: &io::Error, wait: Duration) {
    sink.count_error("dead_letters_unwritable", "io_failed");
    error!(
        message = "Cannot write dead letters; trying again. Free some space there or give this process the right to write, \
                   or set dead_letter.path. Nothing of the batch counts as delivered meanwhile.",
        component_id = sink.id, path = %path.display(), %error, wait_secs = wait.as_secs_f32(),
        error_code = "dead_letters_unwritable", error_type = "io_failed", stage = "sending"
    );
}

/// A file ended in the middle of one of our records.
pub(super) fn torn_record_cut(path: &Path, byte_size: u64) {
    warn!(
        message = "The file ended in the middle of a record, as after a crash; cut it off. The record was never \
                   acknowledged and is sent again.",
        path = %path.display(), byte_size
    );
}

/// A file's last line had no line end.
pub(super) fn line_ended(path: &Path, byte_size: u64) {
    warn!(message = "The file's last line had no line end; added one.", path = %path.display(), byte_size);
}

/// A failed write has left bytes behind that cannot be taken back.
pub(super) fn remains_left(path: &Path, error: &io::Error) {
    warn!(
        message = "Cannot take back what a failed write has left behind; some events will be in the file twice.",
        path = %path.display(), %error
    );
}

/// A file was moved or deleted, and is made anew.
pub(super) fn file_reopened(path: &Path) {
    info!(message = "The file was moved or deleted, as by logrotate; opened it anew.", path = %path.display());
}

/// The telemetry server listens.
pub(super) fn listening(address: SocketAddr) {
    info!(message = "Serving /metrics, /health and /status.", %address);
}

/// The page is not shown, for everybody could see it.
pub(super) fn page_not_shown(address: SocketAddr) {
    info!(
        message = "The page / is not shown, since other machines can reach this address. To show it, write telemetry.token or \
                   telemetry.basic_auth, and telemetry.tls.",
        %address
    );
}

/// A request for the page or the state was refused.
pub(super) fn page_refused(reason: &'static str) {
    counter!("office365_page_refused_total", "reason" => reason).increment(1);
    debug!(message = "A request for the page was refused.", reason);
}

/// A secret of the page cannot be read; `first` for the first time in a row.
pub(super) fn page_secret_unreadable(error: &SecretError, first: bool) {
    if first {
        warn!(message = "The page cannot be shown: its secret cannot be read.", %error);
    } else {
        debug!(message = "The page still cannot be shown.", %error);
    }
}

/// All connections of the telemetry server are taken.
pub(super) fn connections_wait(most: usize) {
    counter!("office365_page_connections_full_total").increment(1);
    debug!(message = "The telemetry server has all the connections that it serves at a time; others wait.", most);
}

/// The certificate of the telemetry server has changed and cannot be used.
pub(super) fn certificate_not_reloaded(error: &ServerTlsError) {
    warn!(message = "The certificate of the telemetry server has changed and cannot be used; the old one stays in use.", %error);
}

/// The telemetry server is gone.
pub(super) fn server_failed(error: &io::Error) {
    error!(
        message = "The telemetry server has stopped; collecting goes on.", %error,
        error_code = "server_failed", error_type = "io_failed", stage = "processing"
    );
}

/// A source cannot say whether its events arrived.
pub(super) fn cannot_acknowledge(key: &ComponentKey) {
    warn!(
        message = "The source does not wait for its sinks: what they have not written at a crash is lost.",
        component_id = %key
    );
}

/// A source runs.
pub(super) fn source_started(key: &ComponentKey) {
    info!(message = "Source started.", component_id = %key);
}

/// A source has ended.
pub(super) fn source_ended(key: &ComponentKey, succeeded: bool) {
    if succeeded {
        info!(message = "Source ended.", component_id = %key);
    } else {
        counter!(
            "component_errors_total",
            "component_id" => key.to_string(), "component_kind" => "source",
            "error_code" => "source_failed", "error_type" => "reader_failed", "stage" => "processing"
        )
        .increment(1);
        error!(
            message = "Source ended with an error.", component_id = %key,
            error_code = "source_failed", error_type = "reader_failed", stage = "processing"
        );
    }
}

/// The process was asked to stop.
pub(super) fn stopping(signal: &str) {
    info!(message = "Stopping. A second signal ends the process at once.", signal);
}

/// The sources were asked to stop.
pub(super) fn draining(timeout: Duration) {
    debug!(message = "Waiting for events to be delivered.", timeout_secs = timeout.as_secs());
}

/// A run that should end has given up, with sinks that had something left.
pub(super) fn sinks_left(sinks: &[String]) {
    warn!(
        message = "Sinks have not taken everything. Nothing is lost: what they have not acknowledged is sent again by the next run.",
        sinks_writing = %sinks.join(", ")
    );
}

/// The time for a shutdown is over.
pub(super) fn abandoned(sources: &[String], sinks: &[String], timeout: Duration) {
    warn!(
        message = "Not everything was delivered within shutdown_timeout_secs. Nothing is lost: what is not delivered is \
                   sent again after the next start.",
        timeout_secs = timeout.as_secs(), sources_waiting = %sources.join(", "), sinks_writing = %sinks.join(", ")
    );
}
