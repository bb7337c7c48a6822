//! The errors of the Management Activity API, each with its status, code and text.
//!
//! Texts are MSREF's ("Errors") except where another source is named. MSREF gives no statuses; those are the ones
//! collectors report.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::{Denial, Operation};
use crate::content::{Feed, TenantId};

/// An answer other than 200.
#[derive(Debug)]
pub(super) struct ErrorReply {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<HeaderValue>,
}

#[derive(Debug)]
enum ErrorBody {
    /// The documented form: `{"error":{"code":…,"message":…}}`.
    Coded {
        code: String,
        message: String,
    },
    /// The same with single quotes, which is no JSON: what MSTRB prints for throttling.
    SingleQuoted {
        code: &'static str,
        message: String,
    },
    /// What ASP.NET answers in the API's place: `{"Message":…}`.
    Framework {
        message: String,
    },
    /// What a proxy answers in the API's place.
    Html,
    Empty,
}

impl ErrorReply {
    fn coded(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::of(status, ErrorBody::Coded { code: code.to_owned(), message: message.into() })
    }

    fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, code, message)
    }

    fn of(status: StatusCode, body: ErrorBody) -> Self {
        Self { status, body, retry_after: None }
    }

    pub fn lacks_permission(denial: Denial, roles: &[String]) -> Self {
        match denial {
            Denial::Coded => Self::coded(
                StatusCode::UNAUTHORIZED,
                "AF10001",
                format!(
                    "The permission set ({}) sent in the request does not include the expected permission.",
                    roles.join(" ")
                ),
            ),
            Denial::Bare => Self::of(StatusCode::UNAUTHORIZED, ErrorBody::Empty),
        }
    }

    pub fn missing_parameter(name: &str) -> Self {
        Self::bad("AF20001", format!("Missing parameter: {name}."))
    }

    pub fn parameter_type(name: &str, expected: &str) -> Self {
        Self::bad("AF20002", format!("Invalid parameter type: {name}. Expected type: {expected}"))
    }

    pub fn expiration_in_the_past(given: &str) -> Self {
        Self::bad("AF20003", format!("Expiration {given} provided is set to past date and time."))
    }

    pub fn tenant_mismatch(in_url: TenantId, in_token: TenantId) -> Self {
        Self::bad(
            "AF20010",
            format!(
                "The tenant ID passed in the URL ({in_url}) does not match the tenant ID passed in the access token \
                 ({in_token})."
            ),
        )
    }

    pub fn unknown_tenant(tenant: TenantId) -> Self {
        Self::bad(
            "AF20011",
            format!("Specified tenant ID ({tenant}) does not exist in the system or has been deleted."),
        )
    }

    pub fn misconfigured_tenant(tenant: TenantId) -> Self {
        Self::bad("AF20012", format!("Specified tenant ID ({tenant}) is incorrectly configured in the system."))
    }

    pub fn invalid_tenant(given: &str) -> Self {
        Self::bad("AF20013", format!("The tenant ID passed in the URL ({given}) is not a valid GUID."))
    }

    pub fn unknown_content_type() -> Self {
        Self::bad("AF20020", "The specified content type is not valid.")
    }

    pub fn webhook(address: &str, why: &str) -> Self {
        Self::bad("AF20021", format!("The webhook endpoint ({address}) could not be validated. {why}"))
    }

    pub fn not_subscribed() -> Self {
        Self::bad("AF20022", "No subscription found for the specified content type.")
    }

    pub fn disabled() -> Self {
        Self::bad("AF20023", "The subscription was disabled by a tenant admin.")
    }

    /// The text that MicrosoftDocs/office-365-management-api#479 saw where MSREF promises to name who disabled it.
    pub fn stuck_disabled() -> Self {
        Self::bad("AF20023", "The subscription was disabled.")
    }

    /// Not in MSREF; measured by G2O and handled by WZ.
    pub fn already_enabled() -> Self {
        Self::bad("AF20024", "The subscription is already enabled. No property change.")
    }

    pub fn window_limits() -> Self {
        Self::bad(
            "AF20030",
            "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours \
             apart, with the start time no more than 7 days in the past.",
        )
    }

    pub fn window_order() -> Self {
        Self::bad(
            "AF20055",
            "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours \
             apart, with the start time prior to end time and start time no more than 7 days in the past.",
        )
    }

    pub fn next_page(given: &str) -> Self {
        Self::bad("AF20031", format!("Invalid nextPage Input: {given}."))
    }

    pub fn no_such_content(id: &str) -> Self {
        Self::coded(StatusCode::NOT_FOUND, "AF20050", format!("The specified content ({id}) does not exist."))
    }

    pub fn content_expired(id: &str) -> Self {
        Self::bad(
            "AF20051",
            format!(
                "Content requested with the key {id} has already expired. Content older than 7 days cannot be retrieved."
            ),
        )
    }

    pub fn content_id(id: &str) -> Self {
        Self::bad("AF20052", format!("Content ID {id} in the URL is invalid."))
    }

    pub fn several_languages() -> Self {
        Self::bad("AF20053", "Only one language may be present in the Accept-Language header.")
    }

    pub fn language_syntax() -> Self {
        Self::bad("AF20054", "Invalid syntax in Accept-Language header.")
    }

    /// The quota is exhausted. MSTRB shows 403 with single quotes; MSREF's format and 429 are seen as well.
    pub fn throttled(operation: Operation, publisher: Uuid, forbidden: bool) -> Self {
        let message = format!("Too many requests. Method={operation}, PublisherId={publisher}");
        if forbidden {
            Self::of(StatusCode::FORBIDDEN, ErrorBody::SingleQuoted { code: "AF429", message })
        } else {
            Self::coded(StatusCode::TOO_MANY_REQUESTS, "AF429", message)
        }
    }

    /// Too early for another start. 429 in elastic/integrations#15476, 403 in opensearch-project/data-prepper#6231.
    pub fn start_throttled(wait: TimeDelta, forbidden: bool) -> Self {
        let status = if forbidden { StatusCode::FORBIDDEN } else { StatusCode::TOO_MANY_REQUESTS };
        let seconds = wait.num_seconds();
        Self::coded(
            status,
            "429",
            format!(
                "Too many frequent subscription start requests. Please retry again after {}m {}s",
                seconds / 60,
                seconds % 60
            ),
        )
    }

    /// Unified auditing is off. The exception text spills over from `code` into `message` at the application's id
    /// (counteractive/o365beat#58).
    pub fn auditing_disabled(
        operation: Operation,
        feed: Option<Feed>,
        tenant: TenantId,
        app: Uuid,
        call: Uuid,
    ) -> Self {
        let content_type = feed.map(|feed| format!(",ContentType={}", feed.content_type)).unwrap_or_default();
        Self::bad(
            &format!(
                "{operation} [CorrId={call}][TenantId={tenant}{content_type},ApplicationId={app},PublisherId={tenant}]\
                 [AppId"
            ),
            format!(
                "{app}] failed. Exception: Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {tenant} does \
                 not exist.\r\n   at Microsoft.Office.Compliance.Audit.API.AzureManager.\
                 <GetSubscriptionTableClientForTenantAsync>d__52.MoveNext()"
            ),
        )
    }

    pub fn internal() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, "AF50000", "An internal error occurred. Retry the request.")
    }

    /// A backend that is down, in one of the ways FB and the Splunk add-on retry.
    pub fn backend(choice: u64) -> Self {
        match choice % 5 {
            0 => Self::internal(),
            1 => Self::of(StatusCode::SERVICE_UNAVAILABLE, ErrorBody::Html),
            2 => Self::of(StatusCode::SERVICE_UNAVAILABLE, ErrorBody::Empty),
            3 => Self::of(StatusCode::REQUEST_TIMEOUT, ErrorBody::Empty),
            _ => Self::of(StatusCode::INTERNAL_SERVER_ERROR, ErrorBody::Html),
        }
    }

    /// A proxy that answers 200 in the API's place.
    pub fn html() -> Self {
        Self::of(StatusCode::OK, ErrorBody::Html)
    }

    pub fn unauthorized() -> Self {
        Self::of(
            StatusCode::UNAUTHORIZED,
            ErrorBody::Framework { message: "Authorization has been denied for this request.".to_owned() },
        )
    }

    pub fn no_such_operation(path: &str) -> Self {
        Self::of(
            StatusCode::NOT_FOUND,
            ErrorBody::Framework {
                message: format!("No HTTP resource was found that matches the request URI '{path}'."),
            },
        )
    }

    /// Of the web server before the API.
    pub fn length_required() -> Self {
        Self::of(StatusCode::LENGTH_REQUIRED, ErrorBody::Html)
    }

    pub fn method_not_allowed(method: &http::Method) -> Self {
        Self::of(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorBody::Framework {
                message: format!("The requested resource does not support http method '{method}'."),
            },
        )
    }

    pub fn unreadable_body() -> Self {
        Self::of(StatusCode::BAD_REQUEST, ErrorBody::Framework { message: "The request is invalid.".to_owned() })
    }

    /// Adds a `Retry-After`: as seconds, as a date or not at all. None is promised (G2O), RFC 9110 allows both forms.
    pub fn retry_after(mut self, wait: TimeDelta, form: u64, now: DateTime<Utc>) -> Self {
        let seconds = wait.num_seconds().max(1);
        self.retry_after = match form % 3 {
            0 => Some(HeaderValue::from(seconds)),
            1 => http_date(now + TimeDelta::seconds(seconds)),
            _ => None,
        };
        self
    }
}

/// A time in the form of the `Date` header. `None` for years beyond HTTP's four digits.
pub(super) fn http_date(time: DateTime<Utc>) -> Option<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(time.into())).ok()
}

/// What a proxy answers in the service's place.
pub(super) const PROXY_PAGE: &str = "<!DOCTYPE html>\r\n<html><head><title>Service Unavailable</title></head>\r\n<body><h2>Our \
                          services aren't available right now</h2></body></html>\r\n";

impl IntoResponse for ErrorReply {
    fn into_response(self) -> Response {
        const JSON: &str = "application/json; charset=utf-8";
        let (content_type, body) = match self.body {
            ErrorBody::Coded { code, message } => {
                (Some(JSON), json!({ "error": { "code": code, "message": message } }).to_string())
            }
            ErrorBody::SingleQuoted { code, message } => {
                (Some(JSON), format!("{{'error':{{'code':'{code}','message':'{message}'}}}}"))
            }
            ErrorBody::Framework { message } => (Some(JSON), json!({ "Message": message }).to_string()),
            ErrorBody::Html => (Some("text/html"), PROXY_PAGE.to_owned()),
            ErrorBody::Empty => (None, String::new()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after);
        }
        response
    }
}
