//! What an administrator's browser brings back from Microsoft Entra to the redirect URI.
//!
//! Nothing of it is proof: anybody can type such an address. What Entra says about the tenant's consent is asked with a
//! token request, and who was invited is in `state`.

use std::{borrow::Cow, collections::BTreeMap};

use secrecy::SecretString;
use url::form_urlencoded;

use crate::{content::TenantId, printable::printable};

/// Longest accepted query, in bytes. An authorization code has been seen with some 2,000.
const LONGEST_QUERY: usize = 8_192;

/// `state` is of our own making and stays below 1,000.
const LONGEST_STATE: usize = 1_024;
const LONGEST_CODE: usize = 4_096;

/// What is kept of Entra's texts, in characters.
const SHOWN_ERROR: usize = 100;
const SHOWN_DESCRIPTION: usize = 1_000;

/// What a request to the redirect URI means.
#[derive(Clone, Debug)]
pub enum Callback {
    /// No parameters: a check whether the address can be reached.
    Probe,
    /// An administrator is said to have consented for a tenant (`admin_consent=True`).
    AdminConsent {
        /// `tenant`.
        tenant: TenantId,
        /// `state`, as it was sent along.
        state: Option<String>,
    },
    /// A user has signed in.
    AuthorizationCode {
        /// `code`: anybody who also has the application's secret can exchange it for a token.
        code: SecretString,
        /// `state`, as it was sent along.
        state: Option<String>,
    },
    /// Entra or the administrator refused.
    Denied {
        /// `error`, such as `access_denied`: at most 100 printable characters.
        error: String,
        /// `error_description`: at most 1,000 printable characters, not escaped for HTML; may be empty.
        description: String,
        /// `state`, as it was sent along.
        state: Option<String>,
    },
    /// Nothing that Entra would send.
    Unintelligible {
        /// Why not.
        problem: &'static str,
    },
}

/// Reads the query of a request to the redirect URI, without the question mark.
pub fn parse_callback(query: Option<&str>) -> Callback {
    match query {
        None | Some("") => Callback::Probe,
        Some(query) => read(query).unwrap_or_else(|problem| Callback::Unintelligible { problem }),
    }
}

fn read(query: &str) -> Result<Callback, &'static str> {
    if query.len() > LONGEST_QUERY {
        return Err("the query is longer than 8,192 bytes");
    }
    let mut given = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // With two values of a name, two readers may pick different ones.
        if given.insert(name, value).is_some() {
            return Err("a parameter is given twice");
        }
    }
    let mut take = |name: &str| given.remove(name).filter(|value| !value.is_empty());

    let state = take("state").map(|state| opaque(state, LONGEST_STATE)).transpose()?;
    let consent = match take("admin_consent") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Some(_) => return Err("admin_consent is neither True nor False"),
    };
    let tenant = match take("tenant") {
        None => None,
        Some(text) => Some(text.parse::<TenantId>().map_err(|_| "tenant is not a GUID")?),
    };
    let description = take("error_description").unwrap_or_default();

    if let Some(error) = take("error") {
        let error = printable(&error, SHOWN_ERROR);
        return Ok(Callback::Denied { error, description: printable(&description, SHOWN_DESCRIPTION), state });
    }
    let code = take("code").map(|code| opaque(code, LONGEST_CODE)).transpose()?;
    match (consent, tenant, code) {
        (Some(false), ..) => {
            let description = match printable(&description, SHOWN_DESCRIPTION) {
                empty if empty.is_empty() => "the administrator did not consent".to_owned(),
                text => text,
            };
            Ok(Callback::Denied { error: "access_denied".to_owned(), description, state })
        }
        (Some(true), Some(tenant), _) => Ok(Callback::AdminConsent { tenant, state }),
        // The older endpoint sends admin_consent=True beside a code, and no tenant.
        (_, _, Some(code)) => Ok(Callback::AuthorizationCode { code: SecretString::from(code), state }),
        (Some(true), None, None) => Err("admin_consent without a tenant"),
        (None, _, None) => Err("neither consent, nor a code, nor an error"),
    }
}

/// A value that is handed back as it was given: of visible ASCII characters only (RFC 6749, appendix A).
fn opaque(value: Cow<'_, str>, longest: usize) -> Result<String, &'static str> {
    if value.len() > longest {
        return Err("state or code is too long");
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("state or code has characters that it cannot have");
    }
    Ok(value.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const TENANT: &str = "6a98b5da-7b3c-4486-bb0b-66a048c6da62";

    /// The result in one line.
    fn shown(query: &str) -> String {
        let state = |state: Option<String>| state.unwrap_or_else(|| "-".into());
        match parse_callback(Some(query)) {
            Callback::Probe => "probe".into(),
            Callback::AdminConsent { tenant, state: s } => format!("consent {tenant} {}", state(s)),
            Callback::AuthorizationCode { code, state: s } => format!("code {} {}", code.expose_secret(), state(s)),
            Callback::Denied { error, description, state: s } => format!("denied {error} {description:?} {}", state(s)),
            Callback::Unintelligible { problem } => format!("? {problem}"),
        }
    }

    #[test]
    fn answers_of_entra_are_understood() {
        for (query, expected) in [
            (format!("admin_consent=True&tenant={TENANT}&state=a-b_c"), format!("consent {TENANT} a-b_c")),
            (format!("tenant={TENANT}&admin_consent=TRUE&scope=x%2f.default&state="), format!("consent {TENANT} -")),
            (format!("admin_consent=true&code=x&tenant={TENANT}"), format!("consent {TENANT} -")),
            ("code=0.AX%2bb&state=s&session_state=1".into(), "code 0.AX+b s".into()),
            ("admin_consent=True&code=c".into(), "code c -".into()),
            (
                "error=access_denied&error_description=AADSTS65004%3a+User+declined.%0d%0aTrace&state=s".into(),
                "denied access_denied \"AADSTS65004: User declined. Trace\" s".into(),
            ),
            (format!("error=x&admin_consent=True&tenant={TENANT}"), "denied x \"\" -".into()),
            ("admin_consent=False".into(), "denied access_denied \"the administrator did not consent\" -".into()),
            (String::new(), "probe".into()),
        ] {
            assert_eq!(shown(&query), expected, "{query}");
        }
        assert!(matches!(parse_callback(None), Callback::Probe));
    }

    #[test]
    fn anything_else_is_unintelligible() {
        for query in [
            "&",
            "x=1",
            "state=s",
            "code=",
            "admin_consent=True",
            "admin_consent=yes",
            "admin_consent=True&tenant=contoso.com",
            "admin_consent=True&tenant=00000000-0000-0000-0000-000000000000",
            "code=a&code=a",
            "code=a&c%6fde=b",
            "code=a&x=1&x=2",
            "code=a%00b",
            "code=a&state=%ff",
            "code=a&state=%0a",
        ] {
            assert!(shown(query).starts_with("? "), "{query}: {}", shown(query));
        }
        for (name, longest) in [("code", LONGEST_CODE), ("code=c&state", LONGEST_STATE)] {
            assert!(shown(&format!("{name}={}", "x".repeat(longest))).starts_with("code "));
            assert!(shown(&format!("{name}={}", "x".repeat(longest + 1))).contains("too long"));
        }
        assert!(shown(&format!("x={}", "y".repeat(LONGEST_QUERY))).contains("8,192"));
    }

    #[test]
    fn a_code_is_not_in_debug_output() {
        assert!(!format!("{:?}", parse_callback(Some("code=hunter2&state=s"))).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn texts_of_strangers_are_bounded(error in any::<String>(), description in any::<String>()) {
            let query: String =
                form_urlencoded::Serializer::new(String::new())
                    .append_pair("error", &format!("e{error}"))
                    .append_pair("error_description", &description.repeat(20))
                    .finish();
            match parse_callback(Some(&query)) {
                Callback::Denied { error, description, .. } => {
                    prop_assert!(error.chars().count() <= SHOWN_ERROR && !error.contains(char::is_control));
                    prop_assert!(description.chars().count() <= SHOWN_DESCRIPTION);
                    prop_assert!(!description.contains(char::is_control));
                }
                Callback::Unintelligible { .. } => prop_assert!(query.len() > LONGEST_QUERY),
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn any_query_can_be_read(query in any::<String>()) {
            parse_callback(Some(&query));
        }
    }
}
