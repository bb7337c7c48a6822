//! The way to Microsoft: name, proxy, TLS, and Microsoft's clock.

use std::{fmt, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, header};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::lookup_host,
    time::{Instant, timeout},
};
use url::{Host, Url};
use x509_cert::{Certificate, der::Decode, der::oid::db::rfc4519};

use super::{Finding, Outcome, no_answer};
use crate::{
    config::ProxyConfig,
    transport::{Probe, TransportError, TransportFailure, TransportOptions, probe, proxy_matcher},
};

/// Who issues the certificates of Microsoft's own hosts.
const ISSUERS_OF_MICROSOFT: [&str; 2] = ["Microsoft Corporation", "DigiCert Inc"];

/// The domains of Microsoft's that an API or a login of any cloud is in.
const DOMAINS_OF_MICROSOFT: [&str; 7] = [
    "office.com",
    "office365.us",
    "apps.mil",
    "office365.cn",
    "microsoftonline.com",
    "microsoftonline.us",
    "microsoftonline.cn",
];

/// Clocks that differ by less say nothing. `Date` has whole seconds, and the answer takes a while.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// One of the hosts that a source asks.
pub(super) struct ConnectionCheck<'a> {
    /// The source, for the subject of findings.
    pub key: &'a str,
    /// What is asked there, such as `Microsoft Entra`.
    pub name: &'static str,
    /// Where it is.
    pub url: Url,
    /// How requests go there.
    pub options: &'a TransportOptions,
    /// How long each step may take.
    pub patience: Duration,
}

impl ConnectionCheck<'_> {
    /// Tries the way there. Returns what Microsoft's clock says, if there was an answer.
    pub(super) async fn check(&self, findings: &mut Vec<Finding>) -> Option<DateTime<Utc>> {
        let proxy = match self.proxy() {
            Ok(proxy) => proxy,
            Err(problem) => {
                findings.push(self.finding("proxy", Outcome::Failed(problem)));
                return None;
            }
        };
        if let Some(proxy) = &proxy {
            // The proxy looks the name up, which this machine may not be able to.
            findings.push(self.finding("proxy", Outcome::ok(format!("goes through {proxy}"))));
        } else if let Some(Host::Domain(name)) = self.url.host() {
            let began = Instant::now();
            let outcome = self.resolve(name).await;
            let is_failure = matches!(outcome, Outcome::Failed(_));
            findings.push(self.finding("DNS", outcome).taking(began.elapsed()));
            if is_failure {
                return None;
            }
        }
        let began = Instant::now();
        let what = if self.url.scheme() == "https" { "TLS" } else { "connection" };
        let probed = timeout(self.patience, probe(self.options, self.url.clone())).await;
        let (outcome, time) = match probed {
            Ok(Ok(Probe { answer: Ok(answer), certificate })) => self.answered(&answer, certificate.as_ref()),
            Ok(Ok(Probe { answer: Err(error), certificate })) => {
                (self.unanswered(&error, certificate.as_ref(), proxy.as_deref()), None)
            }
            Ok(Err(error)) => (Outcome::failed(error), None),
            Err(_) => {
                let advice = match &proxy {
                    Some(_) => "does the proxy let this machine reach the host?",
                    None => "does a firewall let this machine reach the host, or is a proxy needed (key proxy)?",
                };
                (Outcome::Failed(no_answer(self.patience, advice)), None)
            }
        };
        findings.push(self.finding(what, outcome).taking(began.elapsed()));
        time
    }

    /// The proxy that a request takes, without its credentials.
    fn proxy(&self) -> Result<Option<String>, String> {
        let matcher = proxy_matcher(&self.options.proxy).map_err(|error| error.to_string())?;
        let uri = self.url.as_str().parse().map_err(|error| format!("{}: {error}", self.url))?;
        Ok(matcher.intercept(&uri).map(|proxy| {
            let authority = proxy.uri().authority().map(http::uri::Authority::as_str).unwrap_or_default();
            format!("the proxy {}", authority.rsplit('@').next().unwrap_or_default())
        }))
    }

    async fn resolve(&self, name: &str) -> Outcome {
        let port = self.url.port_or_known_default().unwrap_or(443);
        match timeout(self.patience, lookup_host((name, port))).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<_> = found.map(|address| address.ip().to_string()).collect();
                addresses.dedup();
                if addresses.is_empty() {
                    return Outcome::Failed(format!("{name} has no address: check this machine's name servers"));
                }
                Outcome::ok(format!("{name} is {}", addresses.into_iter().take(3).collect::<Vec<_>>().join(", ")))
            }
            Ok(Err(error)) => Outcome::Failed(format!(
                "{name} cannot be resolved: {error}; check this machine's name servers, or write the proxy that is to be used (key \
                 proxy)"
            )),
            Err(_) => Outcome::Failed(no_answer(self.patience, "check this machine's name servers")),
        }
    }

    fn answered(
        &self,
        (status, headers): &(StatusCode, HeaderMap),
        certificate: Option<&CertificateDer<'_>>,
    ) -> (Outcome, Option<DateTime<Utc>>) {
        let time = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let time = time.and_then(|date| httpdate::parse_http_date(date).ok()).map(DateTime::<Utc>::from);
        if *status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let text = "the proxy wants a user and a password (HTTP 407): write them into proxy.https, percent-encoded";
            return (Outcome::failed(text), None);
        }
        let Some(issuer) = certificate.map(|certificate| issuer(certificate)) else {
            return (Outcome::ok("answers, without TLS"), time);
        };
        let is_own = ISSUERS_OF_MICROSOFT.iter().any(|known| issuer.organization.as_deref() == Some(*known));
        if self.is_microsoft_s() && !is_own {
            let text = format!(
                "answers with a certificate of {issuer}, which does not issue Microsoft's: something on the way opens TLS, such as a \
                 proxy or a firewall. It can read tokens and audit logs. Have {} excluded from inspection",
                self.host()
            );
            return (Outcome::note(text), time);
        }
        (Outcome::ok(format!("answers, with a certificate of {issuer}")), time)
    }

    fn unanswered(
        &self,
        error: &TransportError,
        certificate: Option<&CertificateDer<'_>>,
        proxy: Option<&str>,
    ) -> Outcome {
        let detail = error.detail();
        match (certificate, proxy) {
            (Some(_), _) if detail.contains("not valid for name") => Outcome::Failed(format!(
                "the certificate is not for {}: {detail}. Something else answers there: check the address, DNS and the proxy",
                self.host()
            )),
            (Some(certificate), _) if detail.contains("CaUsedAsEndEntity") => Outcome::Failed(format!(
                "what answers shows the certificate of an authority ({}), which no server may: have it show one that this authority \
                 issued for {}",
                issuer(certificate),
                self.host()
            )),
            (_, Some(proxy)) if detail.contains("authorization required") => Outcome::Failed(format!(
                "{proxy} wants a user and a password (HTTP 407): write them into the URL of proxy.https, percent-encoded"
            )),
            (Some(certificate), _) if error.failure() == TransportFailure::Connect => Outcome::Failed(format!(
                "the certificate is not accepted: {detail}. {} has issued it. If that is an authority of your own company, whose \
                 proxy opens TLS, write its certificate into tls.ca_file; else somebody is in the way who should not be",
                issuer(certificate)
            )),
            (_, Some(proxy)) if error.failure() == TransportFailure::Connect => Outcome::Failed(format!(
                "no connection through {proxy}: {detail}. Check the keys of proxy, and that the proxy lets this machine reach {}",
                self.host()
            )),
            (_, None) if error.failure() == TransportFailure::Connect => Outcome::Failed(format!(
                "no connection: {detail}. Let this machine reach {} in the firewall, or write the proxy that is to be used (key proxy)",
                self.authority()
            )),
            _ => Outcome::failed(error),
        }
    }

    fn is_microsoft_s(&self) -> bool {
        let host = self.host();
        DOMAINS_OF_MICROSOFT.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
    }

    fn authority(&self) -> String {
        self.url
            .port_or_known_default()
            .map_or_else(|| self.host().to_owned(), |port| format!("{}:{port}", self.host()))
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    fn finding(&self, what: &str, outcome: Outcome) -> Finding {
        Finding::new(format!("{}, {} ({}), {what}", self.key, self.name, self.host()), outcome)
    }
}

/// What is to be said of this machine's clock, by Microsoft's.
pub(super) fn clock(here: DateTime<Utc>, there: DateTime<Utc>) -> Outcome {
    let ahead = here - there;
    let rest = "this program goes by Microsoft's clock, and certificates of TLS by this machine's. Set it by NTP";
    let seconds = ahead.num_seconds().abs();
    match (ahead.abs() <= SKEW, ahead > TimeDelta::zero()) {
        (true, _) => Outcome::ok("goes as Microsoft's does"),
        (false, true) => Outcome::note(format!("is {seconds} seconds ahead of Microsoft's; {rest}")),
        (false, false) => Outcome::note(format!("is {seconds} seconds behind Microsoft's; {rest}")),
    }
}

/// How requests go to Microsoft.
pub(super) fn options(proxy: ProxyConfig, ca_file: Option<std::path::PathBuf>, patience: Duration) -> TransportOptions {
    TransportOptions { proxy, ca_file, identity: None, connect_timeout: Some(patience) }
}

struct Issuer {
    name: Option<String>,
    organization: Option<String>,
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.organization) {
            (Some(name), Some(organization)) => write!(f, "{name} ({organization})"),
            (Some(one), None) | (None, Some(one)) => f.write_str(one),
            (None, None) => f.write_str("an issuer without a name"),
        }
    }
}

fn issuer(certificate: &CertificateDer<'_>) -> Issuer {
    let parsed = Certificate::from_der(certificate).ok();
    let attribute = |oid| {
        let issuer = parsed.as_ref()?.tbs_certificate().issuer();
        let mut attributes = issuer.iter().filter(|attribute| attribute.oid == oid);
        let value = attributes.next()?.value.value();
        Some(crate::printable::printable(&String::from_utf8_lossy(value), 80)).filter(|text| !text.is_empty())
    };
    Issuer { name: attribute(rfc4519::CN), organization: attribute(rfc4519::O) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_differs_is_told() {
        let here = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert!(matches!(clock(here, here + TimeDelta::seconds(59)), Outcome::Ok(_)));
        let ahead = clock(here, here - TimeDelta::seconds(61));
        assert!(ahead.text().starts_with("is 61 seconds ahead") && matches!(ahead, Outcome::Note(_)));
        assert!(clock(here, here + TimeDelta::hours(2)).text().starts_with("is 7200 seconds behind"));
    }

    #[test]
    fn hosts_of_microsoft_are_known_in_every_cloud() {
        use crate::config::Cloud;
        let options = TransportOptions::default();
        let is = |url: &str| {
            let url = url.parse().unwrap();
            let patience = Duration::from_secs(1);
            ConnectionCheck { key: "k", name: "n", url, options: &options, patience }.is_microsoft_s()
        };
        for cloud in Cloud::ALL {
            assert!(is(cloud.api_endpoint()) && is(cloud.authority()), "{cloud:?}");
        }
        for other in ["https://proxy.contoso.com", "https://notoffice.com", "http://127.0.0.1:1"] {
            assert!(!is(other), "{other}");
        }
    }
}
