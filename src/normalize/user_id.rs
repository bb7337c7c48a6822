//! The ids of users, in the many forms that the workloads write them.

use std::borrow::Cow;

use super::{
    mail_address::{addresses, is_address},
    placeholder::is_placeholder,
    text::part,
};

/// What the id of a user says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UserId<'a> {
    /// The id as it was written, without blanks around it.
    pub(crate) id: Cow<'a, str>,
    /// The address in it: a user principal name, without what SharePoint puts before and what Entra makes of a guest's.
    pub(crate) email: Option<Cow<'a, str>>,
    /// The name: what is before the `@`, or behind the `\`.
    pub(crate) name: Option<Cow<'a, str>>,
    /// The domain: what is behind the `@`, or before the `\`.
    pub(crate) domain: Option<Cow<'a, str>>,
}

/// What SharePoint puts before the address of an external user; within a claim it is escaped.
const GUESTS: &[&str] = &["urn:spo:guest#", "urn%3aspo%3aguest#"];

/// What mail puts before an address.
const SCHEMES: &[&str] = &["smtp:", "mailto:"];

/// What Entra puts before the address of an account of another identity provider.
const PROVIDERS: &[&str] = &["live.com#", "google.com#", "facebook.com#", "mail#"];

/// What stands between the address of a guest and the tenant in Entra, where the `@` has become `_`.
const EXTERNAL: &str = "#ext#@";

impl<'a> UserId<'a> {
    /// Reads an id: `ana@contoso.com`, a claim of SharePoint (`i:0#.f|membership|ana@contoso.com`), a guest
    /// (`urn:spo:guest#ana@partner.example`, `ana_partner.example#EXT#@contoso.com`), `DOMAIN\ana`, and any other id as
    /// it is. `None` when it names no user: blanks, and placeholders.
    pub(crate) fn parse(text: &Cow<'a, str>) -> Option<Self> {
        let id = trimmed(text);
        if is_placeholder(&id) {
            return None;
        }
        let mut account = account(&id);
        if account.contains('<')
            && let [address] = addresses(&account).as_slice()
        {
            account = Cow::Owned(address.clone());
        }
        // An id of zeros names no user, whatever tenant it is given.
        if account.split_once('@').is_some_and(|(name, _)| name.len() > 8 && is_placeholder(name)) {
            return None;
        }
        if let Some((name, domain)) = split_address(&account) {
            let (email, name, domain) = home(&account).unwrap_or_else(|| (account.clone(), name, domain));
            return Some(Self { id, email: Some(email), name: Some(name), domain: Some(domain) });
        }
        let (name, domain) = windows_account(&account).unzip();
        Some(Self { id, email: None, name, domain })
    }

    /// The address as OCSF wants it: with a dot in the domain, and only with characters of an address.
    pub(crate) fn strict_email(&self) -> Option<&Cow<'a, str>> {
        self.email.as_ref().filter(|email| {
            email.split_once('@').is_some_and(|(local, domain)| {
                domain.contains('.')
                    && !domain.starts_with('.')
                    && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
                    && local
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&byte))
            })
        })
    }
}

/// Name and domain of an address with exactly one `@`.
pub(crate) fn split_address<'a>(address: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let (name, domain) = address.split_once('@')?;
    let is_address = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
    let at = name.len();
    is_address.then(|| (part(address, 0..at), part(address, at + 1..address.len())))
}

fn trimmed<'a>(text: &Cow<'a, str>) -> Cow<'a, str> {
    let start = text.len() - text.trim_start().len();
    part(text, start..start + text.trim().len())
}

/// The account in what is put around it: in a claim, in the urn of a guest, behind the name of its identity provider or its domain.
/// One may stand in another.
///
/// A claim is `i:0#.f|membership|account` for users, `c:0t.c|tenant|id` for groups: the kind of claim, its issuer and its value
/// ("Claims encoding", SharePoint).
fn account<'a>(id: &Cow<'a, str>) -> Cow<'a, str> {
    let mut start = 0;
    while let Some(length) = id.get(start..).and_then(prefix) {
        start += length;
    }
    part(id, start..id.len())
}

/// How long what stands before an account is; `None` if nothing does.
fn prefix(text: &str) -> Option<usize> {
    let starts = |start: &str| text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start));
    if starts("i:0") || starts("c:0") || starts("0#.") {
        return text.rfind('|').map(|at| at + 1);
    }
    let known = GUESTS.iter().chain(PROVIDERS).chain(SCHEMES).find(|known| starts(known));
    // `DOMAIN\name@domain`: the address says more than the domain before it.
    let domain = || text.find('\\').filter(|at| is_address(&text[at + 1..])).map(|at| at + 1);
    known.map(|known| known.len()).or_else(domain)
}

/// The address that a guest has at home, with its name and domain.
fn home<'a>(account: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>)> {
    let at = account.to_ascii_lowercase().find(EXTERNAL)?;
    let (name, domain) = account.get(..at)?.rsplit_once('_')?;
    let is_address = !name.is_empty() && domain.contains('.');
    let end = name.len();
    is_address.then(|| (Cow::Owned(format!("{name}@{domain}")), part(account, 0..end), part(account, end + 1..at)))
}

/// `DOMAIN\name`, without the process that Exchange writes behind it: name and domain.
fn windows_account<'a>(account: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let (domain, rest) = account.split_once('\\')?;
    let name = match rest.strip_suffix(')').and_then(|rest| rest.split_once(" (")) {
        Some((name, _)) => name,
        None => rest,
    };
    let is_account = !domain.is_empty() && !name.is_empty() && !name.contains('\\');
    let start = domain.len() + 1;
    is_account.then(|| (part(account, start..start + name.len()), part(account, 0..domain.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// email, name, domain.
    fn parts(text: &str) -> Option<(Option<String>, Option<String>, Option<String>)> {
        let borrowed = UserId::parse(&Cow::Borrowed(text));
        assert_eq!(borrowed, UserId::parse(&Cow::Owned(text.to_owned())), "{text}");
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        borrowed.map(|user| (owned(user.email), owned(user.name), owned(user.domain)))
    }

    #[test]
    fn addresses_are_found_in_every_form() {
        for (text, email) in [
            ("ana.lee@fabrikam.example", "ana.lee@fabrikam.example"),
            (" ana.lee@fabrikam.example\t", "ana.lee@fabrikam.example"),
            ("urn:spo:guest#cy@partner.example", "cy@partner.example"),
            ("URN:SPO:GUEST#cy@partner.example", "cy@partner.example"),
            ("i:0#.f|membership|dee@fabrikam.example", "dee@fabrikam.example"),
            ("i:0h.f|membership|100320005c5f0001@live.com", "100320005c5f0001@live.com"),
            ("live.com#cy@outlook.example", "cy@outlook.example"),
            ("i:0i.t|00000003-0000-0ff1-ce00-000000000000|app@sharepoint", "app@sharepoint"),
            ("i:0#.f|membership|urn%3aspo%3aguest#x@partner.example", "x@partner.example"),
            ("i:0#.f|membership|urn:spo:guest#x@partner.example", "x@partner.example"),
            ("0#.f|membership|x@partner.example", "x@partner.example"),
            (r"CORP\ana@fabrikam.example", "ana@fabrikam.example"),
            ("\"Ana\" <ana@fabrikam.example>", "ana@fabrikam.example"),
            ("smtp:ana@fabrikam.example", "ana@fabrikam.example"),
            ("ben_partner.example#EXT#@fabrikam.onmicrosoft.example", "ben@partner.example"),
            ("b_o_partner.example#ext#@fabrikam.onmicrosoft.example", "b_o@partner.example"),
            ("i:0#.f|membership|ben_partner.example#EXT#@fabrikam.onmicrosoft.example", "ben@partner.example"),
        ] {
            let (name, domain) = email.split_once('@').unwrap();
            assert_eq!(parts(text), Some((Some(email.into()), Some(name.into()), Some(domain.into()))), "{text}");
        }
    }

    #[test]
    fn windows_accounts_are_split() {
        for (text, domain, name) in [
            (r"FABRIKAM\eve", "FABRIKAM", "eve"),
            (r"SHAREPOINT\system", "SHAREPOINT", "system"),
            (r"i:0#.w|fabrikam\eve", "fabrikam", "eve"),
            (r"NT AUTHORITY\SYSTEM (Microsoft.Exchange.ServiceHost)", "NT AUTHORITY", "SYSTEM"),
        ] {
            assert_eq!(parts(text), Some((None, Some(name.into()), Some(domain.into()))), "{text}");
        }
    }

    #[test]
    fn other_ids_stay_as_they_are_and_nobody_is_nobody() {
        for text in [
            "ServicePrincipal_5a6b7c8d-0000-4000-8000-00000000aaaa",
            "5a6b7c8d-0000-4000-8000-00000000bbbb",
            "S-1-5-21-1111111111-222222222-3333333333-1001",
            "urn:spo:anon#0aa1b2c3d4e5f60718293a4b5c6d7e8f",
            "c:0t.c|tenant|5e5f1c2a",
            "MS-PIM",
            "a@b@c.example",
            "O=Fabrikam/CN=Ana",
            r"\\",
            "@",
            "a@",
        ] {
            assert_eq!(parts(text), Some((None, None, None)), "{text}");
        }
        for text in [
            "",
            " ",
            "Unknown",
            "not available",
            "N/A",
            "00000000-0000-0000-0000-000000000000",
            "<null>",
            "00000000-0000-0000-0000-000000000000@fabrikam.example",
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn a_strict_address_has_a_dot_and_no_odd_characters() {
        let strict = |text: &'static str| {
            UserId::parse(&Cow::Borrowed(text))?.strict_email().map(|email| email.clone().into_owned())
        };
        assert_eq!(strict("a@b.example").as_deref(), Some("a@b.example"));
        for text in ["app@sharepoint", "a b@c.example", "[a@c.example", "a@b.ex/ample", "ServicePrincipal_1"] {
            assert_eq!(strict(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_reading(text in "\\PC{0,30}|[ic:0#.f|@_EXText\\\\ ()ä]{0,24}") {
            parts(&text);
        }
    }
}
