//! The way out: certificates and proxies.

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::error::Problems;

/// TLS towards Microsoft.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file of certificate authorities to trust besides the system's, for a proxy that breaks TLS open.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ssl/corporate-ca.pem")]
    pub ca_file: Option<PathBuf>,
}

impl TlsConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if self.ca_file.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            problems.add("tls.ca_file", "is empty", "Write the path of a PEM file, or leave the key out.");
        }
    }
}

/// The HTTP proxy on the way out.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// `false` goes out directly, whatever the environment says.
    pub enabled: bool,
    /// The proxy for http URLs. Default: the environment variable `HTTP_PROXY`. A user name and a password may stand in the URL,
    /// percent-encoded (`@` as `%40`); they are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://proxy.contoso.com:3128")]
    pub http: Option<ProxyUrl>,
    /// The proxy for https URLs. Default: the environment variable `HTTPS_PROXY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://proxy.contoso.com:3128")]
    pub https: Option<ProxyUrl>,
    /// Hosts, domains and networks that are reached directly. When it is empty, the environment variable `NO_PROXY`
    /// counts.
    #[schemars(example = ["localhost", "10.0.0.0/8", ".contoso.com"])]
    pub no_proxy: Vec<String>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self { enabled: true, http: None, https: None, no_proxy: Vec::new() }
    }
}

impl ProxyConfig {
    /// This proxy, with what it leaves open taken from `global`. Disabled when either is.
    #[must_use]
    pub fn or(&self, global: &Self) -> Self {
        Self {
            enabled: self.enabled && global.enabled,
            http: self.http.clone().or_else(|| global.http.clone()),
            https: self.https.clone().or_else(|| global.https.clone()),
            no_proxy: if self.no_proxy.is_empty() { global.no_proxy.clone() } else { self.no_proxy.clone() },
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        for (name, proxy) in [("http", &self.http), ("https", &self.https)] {
            let Some(ProxyUrl(url)) = proxy else { continue };
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                problems.add(
                    &format!("proxy.{name}"),
                    "is not the URL of an HTTP proxy",
                    format!("Write {name} = \"http://proxy.contoso.com:3128\"."),
                );
            }
        }
        for (index, host) in self.no_proxy.iter().enumerate() {
            if host.trim().is_empty() || host.contains(',') {
                problems.add(
                    &format!("proxy.no_proxy[{index}]"),
                    "is not one host",
                    "Write each host as a text of its own: no_proxy = [\"localhost\", \"10.0.0.0/8\"].",
                );
            }
        }
    }
}

/// The URL of a proxy. A user name and password in it are not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// Whether a text is the URL of a proxy whose user and password are encoded. One without a scheme is an http URL, as in
    /// `proxy.example.com:3128`.
    pub fn is_readable(text: &str) -> bool {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        credentials_are_encoded(&url) && Url::parse(&url).is_ok_and(|url| url.host().is_some())
    }

    /// The URL with its credentials, for the HTTP client only.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl From<Url> for ProxyUrl {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // Both fail for URLs without a host only, which have no credentials either.
        if !shown.username().is_empty() || shown.password().is_some() {
            let _ = shown.set_username("redacted");
            let _ = shown.set_password(None);
        }
        shown.fmt(f)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    /// By hand, because the error of `Url` would quote the password.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !credentials_are_encoded(&text) {
            return Err(de::Error::custom(
                "has a user or password with characters that must be percent-encoded in a URL: write @ as %40, / as %2F, # as \
                 %23, ? as %3F, % as %25, a blank as %20, and so on",
            ));
        }
        Url::parse(&text).map(Self).map_err(|error| de::Error::custom(format!("is not a URL ({error})")))
    }
}

/// Whether what stands before the host has only characters that may stand there (RFC 3986, 3.2.1). Others end the credentials
/// early, so that a part of the password becomes the host, or are taken for an encoding that nobody meant.
fn credentials_are_encoded(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // The last one: an unencoded password may have others, and separators of the rest of a URL.
    let Some((credentials, _)) = rest.rsplit_once('@') else { return true };
    let mut bytes = credentials.bytes();
    while let Some(byte) = bytes.next() {
        let is_fine = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

impl JsonSchema for ProxyUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ProxyUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_s_proxy_goes_before_the_global_one() {
        let url = |text: &str| Some(ProxyUrl(Url::parse(text).unwrap()));
        let global = ProxyConfig { http: url("http://a"), https: url("http://b"), ..ProxyConfig::default() };
        let own = ProxyConfig { https: url("http://c"), ..ProxyConfig::default() };
        assert_eq!(own.or(&global), ProxyConfig { http: url("http://a"), https: url("http://c"), ..own.clone() });
        assert!(!own.or(&ProxyConfig { enabled: false, ..ProxyConfig::default() }).enabled);
    }

    #[test]
    fn credentials_of_a_proxy_must_be_encoded() {
        let read =
            |credentials: &str| serde_json::from_value::<ProxyUrl>(format!("http://{credentials}@proxy:3128").into());
        for good in ["me", "me:", "me:hunter2", "DOM%5Cme:p%40ss%25", "me:a:b", "me:-._~!$&'()*+,;="] {
            let url = read(good).unwrap();
            assert_eq!(url.expose().host_str(), Some("proxy"), "{good}");
        }
        for bad in [
            "me:p@Qx",
            "me:p#Qx",
            "me:12#Qx",
            "me:p/Qx",
            "me:p?Qx",
            "me:50%",
            "me:%zz",
            "me:%4",
            "DOM\\me:x",
            "me:a b",
            "me:ü",
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("write @ as %40"), "{bad}: {error}");
            assert!(!error.contains("Qx"), "{bad}: {error}");
        }
        assert!(serde_json::from_str::<ProxyUrl>("\"http://proxy:3128\"").is_ok());
    }

    #[test]
    fn a_proxy_s_password_is_not_shown() {
        let proxy: ProxyUrl = serde_json::from_str("\"http://me:hunter2@proxy:3128\"").unwrap();
        for shown in [proxy.to_string(), format!("{proxy:?}"), serde_json::to_string(&proxy).unwrap()] {
            assert!(!shown.contains("hunter2") && shown.contains("proxy:3128"), "{shown}");
        }
        assert_eq!(proxy.expose().password(), Some("hunter2"));
        let error = serde_json::from_str::<ProxyUrl>("\"http://me:hunter2@:80\"").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
