//! URIs that come from responses: used as they are, but only towards the configured API.

use std::fmt;

use snafu::{OptionExt, Snafu, ensure};
use url::Url;
use uuid::Uuid;

/// The scheme, host and port that bearer tokens may be sent to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(Url);

/// A URI that does not lead to the configured API. It is never requested, because the request would carry a bearer
/// token.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum ForeignUri {
    /// Not a URI.
    #[snafu(display("the API named a URI that cannot be read: {uri:.200}"))]
    Unreadable {
        /// What came.
        uri: String,
    },
    /// Another origin.
    #[snafu(display(
        "the API named a URI at {found}, but requests go to {expected} only, since each carries an access token; if a \
         proxy rewrites the API's answers, set endpoint to the origin that it uses"
    ))]
    Elsewhere {
        /// Where the URI leads.
        found: String,
        /// Where it should.
        expected: String,
    },
}

impl Origin {
    /// The origin of the API endpoint.
    pub fn new(endpoint: &Url) -> Self {
        let mut origin = endpoint.clone();
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        Self(origin)
    }

    /// The origin as a URL.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Reads a URI that a response named and checks where it leads.
    ///
    /// # Errors
    ///
    /// When it cannot be read or leads elsewhere.
    pub fn check(&self, uri: &str) -> Result<Url, ForeignUri> {
        let url = Url::parse(uri.trim()).ok().context(UnreadableSnafu { uri })?;
        let same = url.scheme() == self.0.scheme()
            && url.host_str() == self.0.host_str()
            && url.port_or_known_default() == self.0.port_or_known_default()
            // User information would be sent along and names no host; Microsoft never uses it.
            && url.username().is_empty()
            && url.password().is_none();
        ensure!(same, ElsewhereSnafu { found: url.origin().ascii_serialization(), expected: self.to_string() });
        Ok(url)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// Names of the parameter. Microsoft repeats parameters of a request in `NextPageUri`, sometimes in lower case.
const PUBLISHER: &str = "PublisherIdentifier";

/// Adds the publisher to a URI unless it is there already. Without it a request counts against a quota that all clients
/// without a publisher share, and is throttled (Microsoft's troubleshooting page).
pub fn with_publisher(mut url: Url, publisher: Uuid) -> Url {
    if !url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case(PUBLISHER)) {
        url.query_pairs_mut().append_pair(PUBLISHER, &publisher.to_string());
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::new(&"https://manage.office.com".parse().unwrap())
    }

    const BLOB: &str = "https://manage.office.com/api/v1.0/6a98b5da-7b3c-4486-bb0b-66a048c6da62/activity/feed/audit/20201121063048785077405$20201121063218791111944$audit_azureactivedirectory$Audit_AzureActiveDirectory$na0030$na0030";

    #[test]
    fn content_uris_stay_as_they_are() {
        assert_eq!(origin().check(BLOB).unwrap().as_str(), BLOB);
        assert!(origin().check("https://MANAGE.office.com:443/x").is_ok());
    }

    #[test]
    fn tokens_go_nowhere_else() {
        for uri in [
            "https://manage.office.com.evil.example/api",
            "https://manage.office.com@evil.example/api",
            "https://user@manage.office.com/api",
            "http://manage.office.com/api",
            "https://manage.office.com:8443/api",
            "https://manage-gcc.office.com/api",
            "//manage.office.com/api",
            "/api/v1.0",
            "",
            "javascript:alert(1)",
        ] {
            assert!(origin().check(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn the_publisher_is_added_once() {
        let publisher = Uuid::from_u128(7);
        let once = with_publisher(BLOB.parse().unwrap(), publisher);
        assert_eq!(once.as_str(), format!("{BLOB}?PublisherIdentifier={publisher}"));
        assert_eq!(with_publisher(once.clone(), Uuid::from_u128(8)), once);
        let lower: Url = "https://manage.office.com/a?publisheridentifier=x&nextPage=1".parse().unwrap();
        assert_eq!(with_publisher(lower.clone(), publisher), lower);
        let next: Url =
            "https://manage.office.com/a?starttime=2015-10-01&nextPage=2015101900R022885001761".parse().unwrap();
        assert_eq!(with_publisher(next.clone(), publisher).as_str(), format!("{next}&PublisherIdentifier={publisher}"));
    }
}
