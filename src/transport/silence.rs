//! How long a server may be silent.

use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{Request, Response, Transport, TransportError, TransportFailure};

/// Sends a request. Silence for longer than `limit` is an error, before the headers and within the body.
///
/// # Errors
///
/// When no response arrives in time. A body that falls silent ends with an error.
pub async fn send_within(
    transport: &dyn Transport,
    request: Request,
    limit: Duration,
) -> Result<Response, TransportError> {
    let silence =
        move || TransportError::new(TransportFailure::Timeout, format!("nothing came for {} s", limit.as_secs()));
    let response = timeout(limit, transport.send(request)).await.map_err(|_| silence())??;
    let body = stream::unfold(Some(response.body), move |body| async move {
        let mut body = body?;
        match timeout(limit, body.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(silence()), None)),
        }
    });
    Ok(Response { body: body.boxed(), ..response })
}
