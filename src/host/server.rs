//! The server of `/metrics`, `/health`, `/status` and the page: over plain HTTP, or TLS where a certificate is configured.
//!
//! A connection answers one request and is closed. So each has an end, however slowly its peer reads, and none rests in a place that
//! another needs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use snafu::ResultExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    HostError,
    access::Access,
    error::{ListenSnafu, PageSecretSnafu, TlsSnafu},
    metrics,
    page::Page,
    site::Site,
    status::Status,
    telemetry,
};
use crate::{
    config::{TelemetryConfig, TelemetryTlsConfig},
    transport::{ServerFiles, ServerTlsError, server_config},
    watched::{self, Watched},
};

/// How often histograms are folded, which otherwise grow until they are scraped.
const UPKEEP: Duration = Duration::from_secs(5);

/// Connections at a time. More wait in the operating system's queue until one ends.
const CONNECTIONS: usize = 256;

/// How long a client may take for its TLS handshake, and then for its headers. Short, since clients that say nothing keep others
/// waiting when there are more of them than places, and an orchestrator's probe gives up after some seconds.
const HEAD: Duration = Duration::from_secs(2);

/// How long a connection lasts at most. Metrics of a thousand tenants are some megabytes.
const WHOLE: Duration = Duration::from_secs(30);

/// The most bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// After the operating system could not accept a connection, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that has its port and is ready to serve.
pub(super) struct Server {
    listener: TcpListener,
    metrics: PrometheusHandle,
    access: Access,
    tls: Option<Tls>,
}

/// TLS as it is now, and how to find out that its files have changed.
struct Tls {
    config: TelemetryTlsConfig,
    files: Watched,
    acceptor: TlsAcceptor,
}

impl Server {
    /// Takes the port, reads secrets and files, and starts recording metrics.
    ///
    /// # Errors
    ///
    /// When the port is taken, a secret or file cannot be used, or other code records the metrics.
    pub(super) async fn bind(config: &TelemetryConfig) -> Result<Self, HostError> {
        let address = config.listen;
        let tls = config.tls.as_ref().map(Tls::load).transpose().context(TlsSnafu)?;
        let access = Access::new(config);
        access.check_secrets().await.context(PageSecretSnafu)?;
        let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
        let metrics = metrics::record()?;
        telemetry::listening(listener.local_addr().unwrap_or(address));
        if !config.shows_page() {
            telemetry::page_not_shown(address);
        }
        Ok(Self { listener, metrics, access, tls })
    }

    /// Whether secrets and files can be read, and certificate and key are of each other.
    ///
    /// # Errors
    ///
    /// When they cannot be used.
    pub(super) async fn check(config: &TelemetryConfig, asks_stores: bool) -> Result<(), HostError> {
        config.tls.as_ref().map(Tls::load).transpose().context(TlsSnafu)?;
        Access::new(config).check(asks_stores).await.context(PageSecretSnafu)
    }

    /// Where it listens: with the port that it got when 0 was configured.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self, status: Status, page: Page) {
        let Self { listener, metrics, access, tls } = self;
        let upkeep = upkeep(metrics.clone());
        let site = Arc::new(Site { metrics, status: Arc::new(status), page, access });
        tokio::select! {
            () = accept(listener, site, tls) => {}
            () = upkeep => {}
        }
    }
}

impl Tls {
    fn load(config: &TelemetryTlsConfig) -> Result<Self, ServerTlsError> {
        // Before they are read: what changes from now on shows at the next look.
        let files = Watched::new([config.crt_file.as_path(), config.key_file.as_path()]);
        Ok(Self { config: config.clone(), files, acceptor: acceptor(config)? })
    }

    /// Reads files again that have changed. What cannot be used leaves the old ones in use.
    fn reload(&mut self) {
        if !self.files.changed() {
            return;
        }
        match acceptor(&self.config) {
            Ok(acceptor) => self.acceptor = acceptor,
            Err(error) => {
                self.files.retry();
                telemetry::certificate_not_reloaded(&error);
            }
        }
    }
}

fn acceptor(config: &TelemetryTlsConfig) -> Result<TlsAcceptor, ServerTlsError> {
    let TelemetryTlsConfig { crt_file, key_file } = config;
    let files = ServerFiles { table: "telemetry.tls", crt_file, key_file, client_ca_file: None };
    Ok(TlsAcceptor::from(Arc::new(server_config(files)?)))
}

async fn accept(listener: TcpListener, site: Arc<Site>, mut tls: Option<Tls>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut looks = interval(watched::EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tasks = JoinSet::new();
    loop {
        if places.available_permits() == 0 {
            telemetry::connections_wait(CONNECTIONS);
        }
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            (accepted, place) = next => match accepted {
                Ok((stream, _)) => {
                    let (site, acceptor) = (Arc::clone(&site), tls.as_ref().map(|tls| tls.acceptor.clone()));
                    tasks.spawn(async move {
                        let _place = place;
                        serve(stream, acceptor, site).await;
                    });
                }
                Err(error) => {
                    telemetry::server_failed(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            _ = looks.tick(), if tls.is_some() => if let Some(tls) = &mut tls { tls.reload() },
        }
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, site: Arc<Site>) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => serve_http(stream, site).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEAD, acceptor.accept(stream)).await {
                serve_http(stream, site).await;
            }
        }
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin, site: Arc<Site>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { site.answer(&request).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // What a slow reader has not taken by then is dropped with its connection.
    let _ = timeout(WHOLE, serving).await;
}

async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
