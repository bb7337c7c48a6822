//! What a browser, or a program in its place, gets as the answer.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Registration, RegistrationError};
use crate::activity::Subscription;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// For programs.
    Json,
    /// Human-readable.
    Html,
}

impl Form {
    /// A page for a client that asks for pages, as browsers do; JSON for every other.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut names = accepted.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
        let first = names.find_map(|name| match name.trim() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/json" => Some(Self::Json),
            _ => None,
        });
        first.unwrap_or(Self::Json)
    }
}

/// The listener works.
pub fn alive() -> Response<Full<Bytes>> {
    respond(StatusCode::OK, "application/json", r#"{"status":"ok"}"#.to_owned())
}

/// What a registration came to.
pub fn registration(outcome: &Result<Registration, RegistrationError>, form: Form) -> Response<Full<Bytes>> {
    let status = match outcome {
        Ok(_) => StatusCode::OK,
        Err(RegistrationError::Entra { .. }) => StatusCode::BAD_GATEWAY,
        Err(RegistrationError::Ledger { .. } | RegistrationError::Key) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let document = match outcome {
        Ok(registration) => document(registration),
        Err(error) => json!({ "status": "ERROR", "msg": error.to_string() }),
    };
    match form {
        Form::Json => respond(status, "application/json", document.to_string()),
        Form::Html => respond(status, "text/html; charset=utf-8", html(outcome)),
    }
}

/// With the members of the document that Logmanager's collector answers with. The AuthID is left out of it: the
/// administrator who reads this may work for another company.
fn document(registration: &Registration) -> Value {
    let Registration { tenant, content_types, subscriptions } = registration;
    let registered = subscriptions
        .iter()
        .map(|subscription| (subscription.content_type.clone(), Value::from(status_of(subscription))));
    let results = content_types.iter().map(|(content_type, outcome)| match outcome {
        Ok(()) => json!({ content_type.as_str(): "OK" }),
        Err(problem) => json!({ content_type.as_str(): problem }),
    });
    json!({
        "status": if registration.is_complete() { "OK" } else { "ERROR" },
        "msg": format!("Tenant registration result tenant_id: {tenant}"),
        "content": subscriptions.iter().map(subscription_json).collect::<Vec<_>>(),
        "registeredContent": registered.collect::<serde_json::Map<_, _>>(),
        "result_subscribe_content": results.collect::<Vec<_>>(),
    })
}

fn status_of(subscription: &Subscription) -> &str {
    subscription.status.as_deref().unwrap_or("disabled")
}

/// A subscription in one line.
fn in_words(subscription: &Subscription) -> String {
    let mut text = format!("subscription {}", status_of(subscription));
    if let Some(webhook) = &subscription.webhook {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _ = write!(text, ", webhook {} at {}", of(&webhook.status), of(&webhook.address));
        if let Some(expiration) = webhook.expiration {
            let _ = write!(text, " until {expiration}");
        }
    }
    text
}

fn subscription_json(subscription: &Subscription) -> Value {
    let webhook = subscription.webhook.as_ref().map(|webhook| {
        let expiration = webhook.expiration.map_or_else(String::new, |time| time.to_rfc3339());
        json!({
            "status": webhook.status,
            "address": webhook.address,
            "expiration": expiration,
        })
    });
    json!({
        "contentType": subscription.content_type,
        "status": status_of(subscription),
        "webhook": webhook,
    })
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:3em auto;padding:0 1em;color:#222}\
                     table{border-collapse:collapse}td{padding:.3em 1em .3em 0;vertical-align:top}\
                     .ok{color:#176639}.bad{color:#a1260d}";

fn html(outcome: &Result<Registration, RegistrationError>) -> String {
    let mut page = String::from("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    // Writing to a `String` cannot fail.
    let _ = write!(page, "<title>Microsoft 365 audit logs</title><style>{STYLE}</style>");
    match outcome {
        Err(error) => {
            let _ = write!(page, "<h1 class=\"bad\">The tenant was not registered</h1><p>{}</p>", escaped(error));
        }
        Ok(registration) => {
            let (class, title, next) = if registration.is_complete() {
                ("ok", "The tenant is registered", "You can close this page. The first events can take up to 12 hours.")
            } else {
                (
                    "bad",
                    "The tenant is registered, but not all of it works",
                    "The collector goes on trying what failed; once that is set right, nothing more is to be done here.",
                )
            };
            let _ = write!(
                page,
                "<h1 class=\"{class}\">{title}</h1><p>Tenant {}</p><table>",
                escaped(&registration.tenant)
            );
            let subscriptions = &registration.subscriptions;
            for (content_type, outcome) in &registration.content_types {
                let (class, text) = match outcome {
                    Ok(()) => ("ok", "OK".to_owned()),
                    Err(problem) => ("bad", escaped(problem)),
                };
                let _ = write!(page, "<tr><td>{content_type}<td class=\"{class}\">{text}");
                let listed = subscriptions.iter().find(|listed| listed.content_type.parse() == Ok(*content_type));
                if let Some(listed) = listed {
                    let _ = write!(page, "<td>{}", escaped(&in_words(listed)));
                }
            }
            let _ = write!(page, "</table><p>{next}</p>");
        }
    }
    page.push_str("</html>\n");
    page
}

/// Texts of Microsoft's and of the link are shown, never interpreted.
fn escaped(text: &dyn std::fmt::Display) -> String {
    let mut escaped = String::new();
    for c in text.to_string().chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds an authorization code, which no other page is to learn.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("content-security-policy"),
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::ListedWebhook,
        content::{ContentType, TenantId},
    };

    fn registration_of(problem: Option<&str>) -> Registration {
        let webhook = ListedWebhook {
            status: Some("enabled".to_owned()),
            address: Some("https://demo.example.com:8443/wh/o365/".to_owned()),
            auth_id: Some("hunter2".into()),
            expiration: None,
        };
        Registration {
            tenant: TenantId(uuid::Uuid::from_u128(0x6a98_b5da_7b3c_4486_bb0b_66a0_48c6_da62)),
            content_types: vec![(ContentType::Exchange, problem.map_or(Ok(()), |problem| Err(problem.to_owned())))],
            subscriptions: vec![Subscription {
                content_type: "Audit.Exchange".to_owned(),
                status: Some("enabled".to_owned()),
                webhook: Some(webhook),
            }],
        }
    }

    #[test]
    fn the_document_has_the_members_of_logmanagers_and_no_auth_id() {
        let document = document(&registration_of(None));
        assert_eq!(
            document,
            json!({
                "content": [{
                    "contentType": "Audit.Exchange",
                    "webhook": {
                        "expiration": "",
                        "status": "enabled",
                        "address": "https://demo.example.com:8443/wh/o365/",
                    },
                    "status": "enabled",
                }],
                "msg": "Tenant registration result tenant_id: 6a98b5da-7b3c-4486-bb0b-66a048c6da62",
                "registeredContent": { "Audit.Exchange": "enabled" },
                "result_subscribe_content": [{ "Audit.Exchange": "OK" }],
                "status": "OK",
            })
        );
    }

    #[test]
    fn a_page_shows_the_same_facts_and_interprets_nothing() {
        let page = html(&Ok(registration_of(Some("<script>alert('x')</script> & more"))));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more"), "{page}");
        assert!(!page.contains("<script") && !page.contains("hunter2"), "{page}");
        assert!(page.contains("6a98b5da") && page.contains("Audit.Exchange"));
        let denied = RegistrationError::Denied { description: "<img src=x>".to_owned(), advice: None };
        assert!(html(&Err(denied)).contains("&lt;img src=x&gt;"));
    }

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        for (accept, form) in [
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Form::Html),
            (Some("application/json, text/html;q=0.1"), Form::Json),
            (Some("*/*"), Form::Json),
            (None, Form::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))));
            assert_eq!(Form::wanted(&headers), form, "{accept:?}");
        }
    }
}
