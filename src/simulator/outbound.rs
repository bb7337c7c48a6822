//! Requests in the other direction: from the service to a webhook.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{state::Service, webhook::Registration};
use crate::transport::Request;

const AUTH_ID: HeaderName = HeaderName::from_static("webhook-authid");
const VALIDATION_CODE: HeaderName = HeaderName::from_static("webhook-validationcode");

/// What a webhook is sent. The two content types are MSREF's, the second with its malformed parameter.
pub(super) enum Message<'a> {
    /// "Webhook validation": the same code in the header and in the body.
    Validation { code: &'a str, body: Value },
    /// "Receiving notifications": an array.
    Notification(Value),
}

/// Posts to a webhook and says whether it accepted: "any response other than HTTP 200 OK will be considered a failure"
/// (MSREF), and so is no answer in time.
pub(super) async fn post(service: &Service, to: &Registration, message: Message<'_>) -> bool {
    let transport = service.state().webhook_transport.clone();
    let (Some(transport), Some(request)) = (transport, request(to, message)) else { return false };
    let answer = tokio::time::timeout(service.config.webhook_timeout, transport.send(request)).await;
    matches!(answer, Ok(Ok(response)) if response.status == StatusCode::OK)
}

/// `None` when the address is no URL or the `authId` no header value: such a webhook cannot be reached.
fn request(to: &Registration, message: Message<'_>) -> Option<Request> {
    let mut request = Request::new(Method::POST, Url::parse(&to.address).ok()?);
    let headers = &mut request.headers;
    if let Some(auth_id) = to.auth_id.as_ref().filter(|auth_id| !auth_id.is_empty()) {
        headers.insert(AUTH_ID, HeaderValue::from_bytes(auth_id.as_bytes()).ok()?);
    }
    let (content_type, body) = match message {
        Message::Validation { code, body } => {
            headers.insert(VALIDATION_CODE, HeaderValue::from_str(code).ok()?);
            ("application/json; charset=utf-8", body)
        }
        Message::Notification(body) => ("application/json; utf-8", body),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    request.body = body.to_string().into();
    Some(request)
}
