//! The listener: connections from any sender, with short time limits.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustls::{ServerConfig, pki_types::ServerName};
use snafu::{ResultExt, Snafu};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug};

use super::{
    AddressList, ConnectionId, Connections, Endpoint, Peer, ServiceTagsError,
    activity::{Activity, Observed},
    endpoint::Proved,
    read_service_tags, telemetry,
    tls::{self, TlsError},
};
use crate::{
    config::{SourceRule, WebhookConfig, WebhookTlsConfig},
    pem,
    printable::printable,
    watched::{self, Watched},
};

/// After the operating system could not accept a connection, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper needs this much for its buffer, however little headers may have.
const SMALLEST_BUFFER: usize = 8_192;

/// Headers of a request. Microsoft sends about ten, a browser about twenty.
const MOST_HEADERS: usize = 64;

/// Why the listener cannot start.
#[derive(Debug, Snafu)]
pub enum ListenError {
    /// The address cannot be used.
    #[snafu(display(
        "webhook.listen: cannot listen on {address}: {source}. {}",
        match source.kind() {
            io::ErrorKind::AddrInUse => "Stop the program that has this port, or write another port.",
            io::ErrorKind::PermissionDenied => "Write a port from 1024 on, or let this process use lower ones.",
            _ => "Write an address of this machine, such as 0.0.0.0:8443.",
        }
    ))]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// TLS.
    #[snafu(transparent)]
    Tls {
        /// What is wrong.
        source: TlsError,
    },
    /// The list of those who may send.
    #[snafu(display("webhook.allowed_sources: {source}"))]
    ServiceTags {
        /// What is wrong.
        source: ServiceTagsError,
    },
}

/// A listener that has its port. Connections wait in the operating system's queue until [`Self::serve`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    sources: Sources,
    allowed: AddressList,
    limits: ConnectionLimits,
    connections: Arc<Mutex<Open>>,
    problems: Problems,
}

/// Why files that have changed are not in use, as it was last reported.
#[derive(Debug, Default)]
struct Problems {
    tls: String,
    sources: String,
}

#[derive(Clone, Copy, Debug)]
struct ConnectionLimits {
    head: Duration,
    idle: Duration,
    header_bytes: usize,
}

/// TLS as it is now, and how to find out that it has changed.
#[derive(Debug)]
struct Tls {
    config: WebhookTlsConfig,
    files: Watched,
    current: Arc<RwLock<Arc<ServerConfig>>>,
    names: Arc<[ServerName<'static>]>,
}

/// Who may send notifications, and how to find out that it has changed.
#[derive(Debug)]
struct Sources {
    networks: Vec<IpNet>,
    tags: Vec<String>,
    file: Option<(PathBuf, Watched)>,
}

/// The connections that are open, with what ends each.
#[derive(Debug)]
struct Open {
    table: Connections,
    ends: HashMap<ConnectionId, (CancellationToken, IpAddr)>,
}

impl Listener {
    /// Takes the port and reads the files.
    ///
    /// # Errors
    ///
    /// When one of them cannot be used.
    pub async fn bind(config: &WebhookConfig) -> Result<Self, ListenError> {
        let tls = if config.tls.enabled { Some(Tls::load(&config.tls)?) } else { None };
        let sources = Sources::of(config);
        let allowed = sources.load().context(ServiceTagsSnafu)?;
        let socket = TcpListener::bind(config.listen).await.context(BindSnafu { address: config.listen })?;
        let address = socket.local_addr().context(BindSnafu { address: config.listen })?;
        telemetry::listening(address, &config.path, tls.is_some());
        let limits = &config.limits;
        let proxies = config.trusted_proxies.iter().map(|network| network.get()).collect();
        let table = Connections::new(
            at_least_one(limits.max_connections),
            at_least_one(limits.max_connections_per_source),
            proxies,
        );
        Ok(Self {
            socket,
            address,
            tls,
            sources,
            allowed,
            limits: ConnectionLimits {
                head: limits.header_timeout(),
                idle: limits.idle_timeout(),
                header_bytes: limits.max_header_bytes.as_usize(),
            },
            connections: Arc::new(Mutex::new(Open { table, ends: HashMap::new() })),
            problems: Problems::default(),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped, and reads files again that change.
    pub async fn serve(mut self, endpoint: Endpoint) {
        endpoint.allow(self.allowed.clone());
        endpoint.certificate_expires(self.tls.as_ref().and_then(Tls::expiry));
        let mut looks = interval(watched::EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &endpoint, &mut tasks),
                    Err(error) => {
                        debug!(message = "Webhook: cannot accept a connection.", %error);
                        endpoint.refusals().refused("cannot_accept", self.address.ip());
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                _ = looks.tick() => self.reload(&endpoint),
            }
        }
    }

    fn reload(&mut self, endpoint: &Endpoint) {
        if let Some(tls) = &mut self.tls
            && tls.files.changed()
        {
            match tls.read() {
                Ok(()) => {
                    self.problems.tls.clear();
                    endpoint.certificate_expires(tls.expiry());
                }
                // Certificate and key are replaced one after the other: the next look may find them right.
                Err(error) => {
                    tls.files.retry();
                    tell_once(&mut self.problems.tls, error.to_string());
                }
            }
        }
        if let Some((_, file)) = &mut self.sources.file
            && file.changed()
        {
            match self.sources.load() {
                Ok(list) => {
                    self.problems.sources.clear();
                    endpoint.allow(list);
                }
                Err(error) => {
                    if let Some((_, file)) = &mut self.sources.file {
                        file.retry();
                    }
                    tell_once(&mut self.problems.sources, format!("webhook.service_tags_file: {error}"));
                }
            }
        }
    }

    /// Lets a connection in; another may have to go for it.
    fn admit(&self, stream: TcpStream, peer: SocketAddr, endpoint: &Endpoint, tasks: &mut JoinSet<()>) {
        let end = CancellationToken::new();
        let id = {
            let mut open = lock(&self.connections);
            let admitted = match open.table.admit(peer.ip(), Instant::now()) {
                Ok(admitted) => admitted,
                Err(refused) => {
                    endpoint.refusals().refused(refused.code(), peer.ip());
                    return;
                }
            };
            if let Some((evicted, source)) = admitted.evict.and_then(|evicted| open.ends.remove(&evicted)) {
                endpoint.refusals().refused_because("connection_evicted", source, "others needed its place");
                evicted.cancel();
            }
            open.ends.insert(admitted.id, (end.clone(), peer.ip()));
            telemetry::connections_open(open.table.len());
            admitted.id
        };
        let connection = AcceptedConnection {
            id,
            peer,
            limits: self.limits,
            endpoint: endpoint.clone(),
            connections: Arc::clone(&self.connections),
            activity: Activity::new(),
        };
        let tls = self.tls.as_ref().map(|tls| (tls.acceptor(), Arc::clone(&tls.names)));
        let serving = async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = connection.serve(stream, tls) => {}
            }
        };
        tasks.spawn(serving.in_current_span());
    }
}

impl Tls {
    fn load(config: &WebhookTlsConfig) -> Result<Self, TlsError> {
        let names = tls::client_names(config)?.into();
        let paths = [&config.crt_file, &config.key_file, &config.client_ca_file];
        // Before they are read: what changes from now on shows at the next look.
        let files = Watched::new(paths.into_iter().filter_map(|path| path.as_deref()));
        let current = Arc::new(RwLock::new(Arc::new(tls::server_config(config)?)));
        Ok(Self { config: config.clone(), files, current, names })
    }

    /// Reads the files again. Connections that are open keep what they began with.
    fn read(&self) -> Result<(), TlsError> {
        let server = Arc::new(tls::server_config(&self.config)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = server;
        if let Some(crt_file) = &self.config.crt_file {
            telemetry::certificate_loaded(crt_file);
        }
        Ok(())
    }

    /// When the certificate that is in use expires.
    fn expiry(&self) -> Option<DateTime<Utc>> {
        pem::expiry(self.config.crt_file.as_deref()?)
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Sources {
    fn of(config: &WebhookConfig) -> Self {
        let networks = config.allowed_sources.iter().filter_map(|rule| match rule {
            SourceRule::Network(network) => Some(*network),
            SourceRule::ServiceTag(_) => None,
        });
        let tags: Vec<_> = config.service_tags().map(str::to_owned).collect();
        let file = config.service_tags_file.clone().filter(|_| !tags.is_empty());
        Self {
            networks: networks.collect(),
            tags,
            file: file.map(|file| (file.clone(), Watched::new([file.as_path()]))),
        }
    }

    fn load(&self) -> Result<AddressList, ServiceTagsError> {
        let mut networks = self.networks.clone();
        if let Some((file, _)) = &self.file {
            let ranges = read_service_tags(file, &self.tags)?;
            telemetry::service_tags_loaded(file, ranges.len());
            networks.extend(ranges);
        }
        // Without any rule, every sender that knows the AuthID.
        Ok(if self.networks.is_empty() && self.tags.is_empty() {
            AddressList::any()
        } else {
            AddressList::new(networks)
        })
    }
}

/// One connection.
struct AcceptedConnection {
    id: ConnectionId,
    peer: SocketAddr,
    limits: ConnectionLimits,
    endpoint: Endpoint,
    connections: Arc<Mutex<Open>>,
    activity: Activity,
}

impl AcceptedConnection {
    async fn serve(&self, stream: TcpStream, tls: Option<(TlsAcceptor, Arc<[ServerName<'static>]>)>) {
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let Some((acceptor, names)) = tls else {
            return self.serve_http(stream, false).await;
        };
        match timeout(self.limits.head, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let has_certificate = tls::names_client(stream.get_ref().1.peer_certificates(), &names);
                self.serve_http(stream, has_certificate).await;
            }
            Ok(Err(error)) => {
                let problem = printable(&error.to_string(), 200);
                self.endpoint.refusals().refused_because("tls_failed", self.peer.ip(), &problem);
            }
            Err(_) => self.endpoint.refusals().refused("tls_too_slow", self.peer.ip()),
        }
    }

    async fn serve_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin, has_certificate: bool) {
        let peer = Peer { address: self.peer.ip(), has_certificate };
        let service = service_fn(move |request: Request<Incoming>| async move {
            Ok::<_, Infallible>(self.answer(peer, request).await)
        });
        let io = TokioIo::new(Observed::new(stream, self.activity.clone()));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            // A second line; `activity` knows better.
            .header_read_timeout(self.limits.idle.max(self.limits.head))
            .max_headers(MOST_HEADERS)
            .max_header_size(self.limits.header_bytes)
            .max_buf_size(self.limits.header_bytes.max(SMALLEST_BUFFER))
            .half_close(false)
            .serve_connection(io, service);
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    debug!(message = "Webhook: a connection has ended.", peer = %self.peer, %error);
                    if let Some(code) = unreadable(&error) {
                        self.endpoint.refusals().refused(code, self.peer.ip());
                    }
                }
            }
            reason = self.activity.overdue(self.limits.head, self.limits.idle) => {
                // A connection that rests is closed in peace.
                if reason == "headers_too_slow" {
                    self.endpoint.refusals().refused(reason, self.peer.ip());
                }
            }
        }
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.activity.busy();
        if !lock(&self.connections).table.busy(self.id) {
            // Evicted at this very moment: no request is begun whose answer could not be sent.
            return Endpoint::unavailable();
        }
        let response = self.endpoint.answer(peer, request).await;
        {
            let mut open = lock(&self.connections);
            if response.extensions().get::<Proved>().is_some() {
                open.table.proved(self.id);
            }
            open.table.idle(self.id, Instant::now());
        }
        self.activity.idle();
        response
    }
}

impl Drop for AcceptedConnection {
    fn drop(&mut self) {
        let mut open = lock(&self.connections);
        open.table.closed(self.id);
        open.ends.remove(&self.id);
        telemetry::connections_open(open.table.len());
    }
}

/// Reports a problem, unless it was the last one reported.
fn tell_once(told: &mut String, problem: String) {
    if *told != problem {
        telemetry::reload_failed(&problem);
        *told = problem;
    }
}

/// A short name for what hyper has refused by itself: with 400, 414 or 431 and no body, HTTP/2 with nothing.
fn unreadable(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse_too_large() { Some("head_too_large") } else { error.is_parse().then_some("unreadable_request") }
}

/// Zero is refused by validation.
fn at_least_one(number: u32) -> NonZeroUsize {
    NonZeroUsize::new(number as usize).unwrap_or(NonZeroUsize::MIN)
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
