//! The routes, and serving them over a socket.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware,
    response::Response,
    routing::{any, get, post},
};
use http::header;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use url::Url;

use super::{api, entra, error_reply::http_date, graph, state::Service};

pub(super) fn router(service: &Arc<Service>) -> Router {
    // NextPageUri uses the second form (MSREF).
    Router::new()
        .route("/{tenant}/oauth2/token", post(entra::v1).fallback(entra::only_post))
        .route("/{tenant}/oauth2/v2.0/token", post(entra::v2).fallback(entra::only_post))
        .route("/{tenant}/oauth2/authorize", get(entra::authorize))
        .route("/{tenant}/adminconsent", get(entra::admin_consent_v1))
        .route("/{tenant}/v2.0/adminconsent", get(entra::admin_consent_v2))
        .route("/api/v1.0/{tenant}/activity/feed/{*operation}", any(api::handle))
        .route("/api/v1/{tenant}/activity/feed/{*operation}", any(api::handle))
        .route("/v1.0/security/auditLog/{*operation}", any(graph::handle))
        .route("/beta/security/auditLog/{*operation}", any(graph::handle))
        .layer(middleware::map_response_with_state(Arc::clone(service), stamp))
        .with_state(Arc::clone(service))
}

/// Dates every response by the simulator's clock: a client can tell from it how wrong its own is.
async fn stamp(State(service): State<Arc<Service>>, mut response: Response) -> Response {
    if let Some(date) = http_date(service.clock.now()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// A simulator that listens. It stops when this is dropped.
#[derive(Debug)]
pub struct RunningSimulator {
    /// Where it listens.
    pub addr: SocketAddr,
    base_url: Url,
    shutdown: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl RunningSimulator {
    pub(super) async fn start(router: Router, listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let base_url = Url::parse(&format!("http://{addr}")).map_err(io::Error::other)?;
        let (shutdown, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            // Dropping the sender stops the server as well.
            let _sent_or_dropped = stopped.await;
        });
        let task = tokio::spawn(server.into_future());
        Ok(Self { addr, base_url, shutdown: Some(shutdown), task: Some(task) })
    }

    /// Its address as a URL.
    pub fn base_url(&self) -> Url {
        self.base_url.clone()
    }

    /// Stops listening. Answers under way are finished, unless they hang.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        if let Some(task) = self.task.take() {
            let patience = Duration::from_secs(1);
            let abort = task.abort_handle();
            if tokio::time::timeout(patience, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for RunningSimulator {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
