//! Which proxy a request takes: what the configuration says, else what the environment says, and never one to this machine.

use std::env;

#[cfg(feature = "cli")]
use http::Uri;
#[cfg(feature = "cli")]
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy};

use super::client::SetupError;
use crate::config::{ProxyConfig, ProxyUrl};

/// The loopback range is where plain http is allowed; a token on its way there must not pass through a proxy.
const LOCAL: &str = "localhost,127.0.0.0/8,::1";

/// The proxies to use, in the order in which they are asked.
pub(super) fn proxies(config: &ProxyConfig) -> Result<Vec<Proxy>, SetupError> {
    settings(config, environment)
        .into_iter()
        .map(|Setting { key, url, bypass }| {
            let proxy = match key {
                "http" => Proxy::http(url),
                _ => Proxy::https(url),
            };
            // The error would repeat the URL, which may hold a password.
            let proxy = proxy.map_err(|_| SetupError::ProxyUrl { key })?;
            Ok(proxy.no_proxy(NoProxy::from_string(&bypass)))
        })
        .collect()
}

/// The same for connections that are made without reqwest.
///
/// # Errors
///
/// When a proxy is not an HTTP proxy.
#[cfg(feature = "cli")]
pub(crate) fn proxy_matcher(config: &ProxyConfig) -> Result<Matcher, SetupError> {
    matcher(settings(config, environment))
}

#[cfg(feature = "cli")]
fn matcher(settings: Vec<Setting>) -> Result<Matcher, SetupError> {
    let mut matcher = Matcher::builder();
    for Setting { key, url, bypass } in settings {
        // A matcher ignores what it cannot read. The connection would be a direct one.
        let read = Matcher::builder().all(url.as_str()).build().intercept(&Uri::from_static("http://peer"));
        if !read.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https"))) {
            return Err(SetupError::ProxyUrl { key });
        }
        matcher = match key {
            "http" => matcher.http(url),
            _ => matcher.https(url),
        };
        matcher = matcher.no(bypass);
    }
    Ok(matcher.build())
}

fn environment(name: &str) -> Option<String> {
    // Programs agree on lower case before upper case.
    let names = [name.to_lowercase(), name.to_owned()];
    names.iter().find_map(|name| env::var(name).ok()).filter(|value| !value.is_empty())
}

/// Stands in for the URL of a proxy that cannot be read, and is not a usable URL.
const UNREADABLE: &str = "http://";

struct Setting {
    key: &'static str,
    url: String,
    bypass: String,
}

fn settings(config: &ProxyConfig, environment: impl Fn(&str) -> Option<String>) -> Vec<Setting> {
    if !config.enabled {
        return Vec::new();
    }
    let written = config.no_proxy.join(",");
    let bypass = if written.is_empty() { environment("NO_PROXY").unwrap_or_default() } else { written };
    let bypass = if bypass.is_empty() { LOCAL.to_owned() } else { format!("{bypass},{LOCAL}") };
    let configured = |url: &Option<ProxyUrl>| url.as_ref().map(|url| url.expose().to_string());
    // Read as strictly as the file: with an unencoded character, a piece of the password would become the host. What cannot be
    // read is refused when a client is made of it.
    let environment = |name: &str| {
        let text = environment(name)?;
        Some(if ProxyUrl::is_readable(&text) { text } else { UNREADABLE.to_owned() })
    };
    [("http", &config.http, "HTTP_PROXY"), ("https", &config.https, "HTTPS_PROXY")]
        .into_iter()
        .filter_map(|(key, url, variable)| {
            let url = configured(url).or_else(|| environment(variable)).or_else(|| environment("ALL_PROXY"))?;
            Some(Setting { key, url, bypass: bypass.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(config: &ProxyConfig, environment: &[(&str, &str)]) -> Vec<(&'static str, String, String)> {
        let look_up =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        settings(config, look_up).into_iter().map(|setting| (setting.key, setting.url, setting.bypass)).collect()
    }

    #[test]
    fn a_proxy_of_the_environment_is_read_as_strictly_as_one_of_the_file() {
        let of = |url: &'static str| {
            let look_up = move |name: &str| (name == "HTTPS_PROXY").then(|| url.to_owned());
            settings(&ProxyConfig::default(), look_up)
        };
        for good in ["http://proxy:3128", "proxy:3128", "http://me:p%40ss@proxy:3128", "socks5://proxy:1080"] {
            assert_eq!(of(good)[0].url, good);
        }
        for bad in ["http://me:Pr0xy@Pw/Can4@proxy:3128", "me:p#w@proxy:3128", "http://"] {
            let Err(error) = matcher(of(bad)) else { panic!("{bad}") };
            let text = error.to_string();
            assert!(text.contains("proxy.https") && !text.contains("Pw") && !text.contains("p#w"), "{text}");
            assert!(Proxy::https(of(bad)[0].url.as_str()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_configuration_leaves_open_comes_from_the_environment_and_this_machine_needs_no_proxy() {
        let environment = [("HTTPS_PROXY", "http://env:1"), ("HTTP_PROXY", "http://env:2"), ("NO_PROXY", "a.example")];
        let config = ProxyConfig {
            http: Some("http://written:3".parse::<url::Url>().unwrap().into()),
            ..ProxyConfig::default()
        };
        assert_eq!(
            seen(&config, &environment),
            [
                ("http", "http://written:3/".to_owned(), format!("a.example,{LOCAL}")),
                ("https", "http://env:1".to_owned(), format!("a.example,{LOCAL}")),
            ]
        );
        let own = ProxyConfig { no_proxy: vec![".b.example".to_owned()], ..ProxyConfig::default() };
        assert_eq!(seen(&own, &environment)[1].2, format!(".b.example,{LOCAL}"));
        assert!(seen(&ProxyConfig { enabled: false, ..config }, &environment).is_empty());
        assert!(seen(&ProxyConfig::default(), &[]).is_empty());
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_proxy_of_the_environment_that_is_none_of_http_is_refused_and_not_passed_over() {
        let read = |url: &str| {
            let environment = |name: &str| (name == "HTTPS_PROXY").then(|| url.to_owned());
            matcher(settings(&ProxyConfig::default(), environment))
        };
        let peer = Uri::from_static("https://siem.contoso.com");
        for (url, expected) in [
            ("http://proxy:3128", "http://proxy:3128/"),
            ("proxy:3128", "http://proxy:3128/"),
            ("https://me:p%40ss@proxy", "https://proxy/"),
        ] {
            assert_eq!(read(url).unwrap().intercept(&peer).unwrap().uri(), expected, "{url}");
        }
        for url in ["socks5://proxy:1080", "ftp://proxy", "http://me:hunter2@", "http://hunter2 x"] {
            let error = read(url).expect_err(url).to_string();
            assert!(
                error.starts_with("proxy.https: not the URL of an HTTP proxy") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
