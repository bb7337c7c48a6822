//! Who may see the page and `/status`.
//!
//! On a loopback address without a configured secret, anybody on this machine may. There a browser is the danger: a page of the
//! Internet can have the name of its own server resolved to 127.0.0.1 and then read what is served there (DNS rebinding). Such a
//! request names that server in `Host`, so both are shown only under a name of this machine. `/metrics` and `/health` answer under any
//! name: scrapers use many.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use ring::digest::{SHA256, digest};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::telemetry;
use crate::{
    config::{SecretRef, TelemetryConfig},
    secrets::{SecretError, SecretReader},
};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For the metric.
    pub(super) reason: &'static str,
    /// What to do about it.
    pub(super) text: &'static str,
}

const FOREIGN_HOST: Refusal = Refusal {
    status: StatusCode::MISDIRECTED_REQUEST,
    reason: "foreign_host",
    text: "This is shown under the names localhost, 127.0.0.1 and [::1] only. Open it under one of them, or set \
           telemetry.token in the configuration to show it under any name.",
};

const UNPROTECTED: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    reason: "unprotected",
    text: "This page is not shown on an address that other machines can reach without a secret. Write telemetry.token or \
           telemetry.basic_auth, and telemetry.tls.crt_file and telemetry.tls.key_file, into the configuration; or write a \
           loopback address, such as 127.0.0.1:9598, as telemetry.listen.",
};

const NO_SECRET: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    reason: "no_secret",
    text: "Send telemetry.token as a bearer token or as the password of any user, or the user and password of \
           telemetry.basic_auth.",
};

const UNREADABLE: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "unreadable_secret",
    text: "The secret of this page cannot be read now. The log of office365-source says why.",
};

/// Who may see what.
#[derive(Debug)]
pub(super) struct Access {
    is_loopback: bool,
    token: Option<SecretRef>,
    basic_auth: Option<(String, SecretRef)>,
    secrets: SecretReader,
    /// Whether a secret could not be read when it was last asked for.
    unreadable: AtomicBool,
}

impl Access {
    pub(super) fn new(config: &TelemetryConfig) -> Self {
        let basic_auth = config.basic_auth.as_ref().map(|basic| (basic.user.clone(), basic.password.clone()));
        let secrets = SecretReader::default();
        Self {
            is_loopback: config.is_loopback(),
            token: config.token.clone(),
            basic_auth,
            secrets,
            unreadable: AtomicBool::new(false),
        }
    }

    /// Reads the secrets; those of commands and stores only if `asks_stores`.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub(super) async fn check(&self, asks_stores: bool) -> Result<(), SecretError> {
        for (secret, key) in self.secrets().filter(|(secret, _)| asks_stores || secret.is_at_hand()) {
            self.secrets.read(secret, key).await?;
        }
        Ok(())
    }

    /// Reads the secrets once, so that what cannot be read is an error of the start.
    ///
    /// # Errors
    ///
    /// When one cannot be read, unless that may pass.
    pub(super) async fn check_secrets(&self) -> Result<(), SecretError> {
        for (secret, key) in self.secrets() {
            match self.secrets.read(secret, key).await {
                Err(error) if !error.is_temporary() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn secrets(&self) -> impl Iterator<Item = (&SecretRef, &'static str)> {
        let token = self.token.as_ref().map(|token| (token, "telemetry.token"));
        let password = self.basic_auth.as_ref().map(|(_, password)| (password, "telemetry.basic_auth.password"));
        token.into_iter().chain(password)
    }

    /// Whether the page may be shown to the sender of a request.
    pub(super) async fn to_page(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.has_secret() {
            return self.by_secret(headers).await;
        }
        if self.is_loopback { of_this_machine(uri, headers) } else { Err(UNPROTECTED) }
    }

    /// Whether the state may be shown to the sender of a request.
    pub(super) async fn to_status(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        match (self.has_secret(), self.is_loopback) {
            (true, _) => self.by_secret(headers).await,
            (false, true) => of_this_machine(uri, headers),
            (false, false) => Ok(()),
        }
    }

    const fn has_secret(&self) -> bool {
        self.token.is_some() || self.basic_auth.is_some()
    }

    async fn by_secret(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| Sent::read(value.to_str().ok()?));
        let sent = sent.ok_or(NO_SECRET)?;
        let mut unreadable = false;
        if let Some(token) = &self.token {
            match self.secrets.read(token, "telemetry.token").await {
                Ok(token) if same(&sent.secret, token.value.expose_secret()) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    self.tell(&error);
                    unreadable = true;
                }
            }
        }
        if let (Some((user, password)), Some(sent_user)) = (&self.basic_auth, &sent.user) {
            match self.secrets.read(password, "telemetry.basic_auth.password").await {
                // Both are compared, whether or not the first is right.
                Ok(password) if same(sent_user, user) & same(&sent.secret, password.value.expose_secret()) => {
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) => {
                    self.tell(&error);
                    unreadable = true;
                }
            }
        }
        if !unreadable {
            self.unreadable.store(false, Ordering::Relaxed);
        }
        Err(if unreadable { UNREADABLE } else { NO_SECRET })
    }
}

impl Access {
    /// Anybody can ask, so that the same problem is a line of the log once.
    fn tell(&self, error: &SecretError) {
        telemetry::page_secret_unreadable(error, !self.unreadable.swap(true, Ordering::Relaxed));
    }
}

/// Whether a request names this machine.
fn of_this_machine(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut named = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), named.next(), named.next()) {
        (Some(authority), _, None) => host(authority.as_str()),
        (None, Some(value), None) => value.to_str().ok().and_then(host),
        // Without a name, or with two.
        _ => None,
    };
    if host.is_some_and(|host| is_this_machine(host.host())) { Ok(()) } else { Err(FOREIGN_HOST) }
}

/// What a request has in `Authorization`.
struct Sent {
    user: Option<String>,
    secret: String,
}

impl Sent {
    fn read(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Some(Self { user: None, secret: rest.to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Self { user: Some(user.to_owned()), secret: password.to_owned() })
    }
}

/// Whether two secrets are the same, in a time that tells neither where they differ nor how long they are.
fn same(one: &str, other: &str) -> bool {
    digest(&SHA256, one.trim().as_bytes()).as_ref().ct_eq(digest(&SHA256, other.trim().as_bytes()).as_ref()).into()
}

/// The host in a `Host` header, if that is nothing but a host and perhaps a port.
fn host(value: &str) -> Option<Authority> {
    let authority: Authority = value.parse().ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port.is_empty() || is_port).then_some(authority)
}

fn is_this_machine(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    name == "localhost"
        // Never resolved elsewhere (RFC 6761, section 6.3).
        || name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, token: Option<&str>, basic: Option<(&str, &str)>) -> TelemetryConfig {
        TelemetryConfig {
            token: token.map(SecretRef::from),
            basic_auth: basic.map(|(user, password)| crate::config::TelemetryBasicAuthConfig {
                user: user.to_owned(),
                password: password.into(),
            }),
            ..TelemetryConfig::plain(listen.parse().unwrap())
        }
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    async fn page(config: TelemetryConfig, headers: HeaderMap) -> Result<(), &'static str> {
        Access::new(&config).to_page(&Uri::from_static("/"), &headers).await.map_err(|refusal| refusal.reason)
    }

    #[tokio::test]
    async fn on_a_loopback_address_the_name_of_this_machine_counts() {
        let ask = |host: &'static str| page(config("127.0.0.1:1", None, None), headers(header::HOST, host));
        for good in
            ["localhost", "LOCALHOST:9598", "a.localhost:1", "127.0.0.1", "127.8.0.1:80", "[::1]:80", "localhost."]
        {
            assert_eq!(ask(good).await, Ok(()), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:80",
            "127.0.0.1.evil.example",
            "[::2]",
            ".localhost",
            "evil.example#.localhost",
            "[::1]evil.example",
            "[localhost]",
            "localhost..",
            "localhost:abc",
            "me@localhost",
            "127.0.0.1:80:evil.example",
            "x:127.0.0.1",
        ] {
            assert_eq!(ask(bad).await, Err("foreign_host"), "{bad}");
        }
        assert_eq!(page(config("127.0.0.1:1", None, None), HeaderMap::new()).await, Err("foreign_host"));
        assert_eq!(page(config("[::ffff:127.0.0.1]:1", None, None), headers(header::HOST, "localhost")).await, Ok(()));
    }

    #[tokio::test]
    async fn the_state_is_shown_where_the_page_is_and_on_other_addresses_to_all() {
        let ask = async |listen, host| {
            let sent = headers(header::HOST, host);
            let asked = Access::new(&config(listen, None, None)).to_status(&Uri::from_static("/status"), &sent).await;
            asked.map_err(|refusal| refusal.reason)
        };
        assert_eq!(ask("127.0.0.1:1", "localhost:1").await, Ok(()));
        assert_eq!(ask("127.0.0.1:1", "rebound.example").await, Err("foreign_host"));
        assert_eq!(ask("0.0.0.0:1", "m365.monitoring.svc").await, Ok(()));
    }

    #[tokio::test]
    async fn elsewhere_a_secret_counts_whatever_the_name() {
        let here = |host| headers(header::HOST, host);
        assert_eq!(page(config("0.0.0.0:1", None, None), here("localhost")).await, Err("unprotected"));
        let basic = |text: &str| headers(header::AUTHORIZATION, &format!("Basic {}", STANDARD.encode(text)));
        let bearer = |text: &str| headers(header::AUTHORIZATION, &format!("bearer {text}"));
        for (sent, expected) in [
            (here("localhost"), Err("no_secret")),
            (bearer("t0ken"), Ok(())),
            (bearer("T0ken"), Err("no_secret")),
            (bearer(""), Err("no_secret")),
            (basic("anybody:t0ken"), Ok(())),
            (basic("op:pass:word"), Ok(())),
            (basic("op:pass"), Err("no_secret")),
            (basic("other:pass:word"), Err("no_secret")),
            // The password is no token.
            (bearer("pass:word"), Err("no_secret")),
            (headers(header::AUTHORIZATION, "Basic !!"), Err("no_secret")),
        ] {
            let config = config("0.0.0.0:1", Some("t0ken"), Some(("op", "pass:word")));
            assert_eq!(page(config, sent.clone()).await, expected, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_opens_nothing() {
        let mut config = config("127.0.0.1:1", None, None);
        config.token = Some(SecretRef::env("OFFICE365_SOURCE_TEST_NO_SUCH_VARIABLE"));
        let access = Access::new(&config);
        assert!(access.check_secrets().await.is_err());
        let sent = headers(header::AUTHORIZATION, "Bearer ");
        assert_eq!(access.to_status(&Uri::from_static("/status"), &sent).await.unwrap_err().reason, "no_secret");
        let sent = headers(header::AUTHORIZATION, "Bearer x");
        assert_eq!(
            access.to_status(&Uri::from_static("/status"), &sent).await.unwrap_err().reason,
            "unreadable_secret"
        );
    }
}
