//! `/metrics`, `/health` and `/status` over plain HTTP. There is no authentication: what it serves holds no secret and no
//! event, and `telemetry.listen` decides who can reach it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use snafu::ResultExt;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};

use super::{HostError, error::ListenSnafu, metrics, status::Status, telemetry};

/// How often histograms are folded, which otherwise grow until they are scraped.
const UPKEEP: Duration = Duration::from_secs(5);

/// A server that has its port and is ready to serve.
pub(super) struct Server {
    listener: TcpListener,
    metrics: PrometheusHandle,
}

impl Server {
    /// Takes the port and starts recording metrics.
    ///
    /// # Errors
    ///
    /// When the port is taken, or other code records the metrics.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, HostError> {
        let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
        let metrics = metrics::record()?;
        telemetry::listening(listener.local_addr().unwrap_or(address));
        Ok(Self { listener, metrics })
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self, status: Status) {
        let Self { listener, metrics } = self;
        let upkeep = upkeep(metrics.clone());
        tokio::select! {
            result = axum::serve(listener, router(metrics, Arc::new(status))) => {
                if let Err(error) = result {
                    telemetry::server_failed(&error);
                }
            }
            () = upkeep => {}
        }
    }
}

fn router(metrics: PrometheusHandle, status: Arc<Status>) -> Router {
    Router::new()
        .route("/metrics", get(|| async move { text("text/plain; version=0.0.4; charset=utf-8", metrics.render()) }))
        .route("/health", get(|| async { text("application/json", r#"{"ok":true}"#.to_owned()) }))
        .route("/status", get(|| async move { text("application/json", status.to_json().to_string()) }))
}

fn text(content_type: &'static str, body: String) -> Response {
    ([(CONTENT_TYPE, content_type)], body).into_response()
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
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::RunMode;

    async fn request(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn metrics_health_and_status_are_served_and_a_taken_port_is_named() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        let error = Server::bind(address).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("telemetry.listen: cannot listen on {address}: ")), "{error}");
        assert!(error.ends_with("Stop the program that has this port, or write another port."), "{error}");

        let _serving = tokio::spawn(server.serve(Status::of(&[], RunMode::Continuous)));
        ::metrics::counter!("server_test_total").increment(3);
        assert!(request(address, "/metrics").await.contains("\nserver_test_total 3\n"));
        let health = request(address, "/health").await;
        assert!(health.starts_with("HTTP/1.1 200 OK") && health.ends_with(r#"{"ok":true}"#), "{health}");
        assert!(request(address, "/status").await.contains(r#""mode":"continuous""#));
        assert!(request(address, "/").await.starts_with("HTTP/1.1 404"));
    }
}
