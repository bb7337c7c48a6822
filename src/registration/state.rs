//! `state` of the consent URL: who was invited to consent, and until when, signed with a key of the credential.
//!
//! Nothing is kept about an invitation, so that the command line can make it and the listener accept it, with only the
//! configuration in common. So it can be used any number of times until it expires.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use snafu::{OptionExt, Snafu, ensure};
use uuid::Uuid;

use crate::content::TenantId;

/// Keeps this key apart from any other that may be derived from the same secret.
const LABEL: &[u8] = b"office365-source: state of the consent URL, version 1";

/// The first byte: how the rest is laid out.
const VERSION: u8 = 2;

/// Version, nonce, times of issue and expiry in milliseconds, tenant (nil for none); after that the domain.
const NONCE: usize = 16;
const FIXED: usize = 1 + NONCE + 8 + 8 + 16;

/// How far the clock of the machine that makes an invitation may be ahead of Microsoft's. A link from a clock that is
/// further ahead would be valid for too long.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);
const TAG: usize = 32;

/// No name in DNS is longer, in bytes.
const LONGEST_DOMAIN: usize = 253;

/// Longer ones are not of our making. The longest of ours has 446.
const LONGEST: usize = 1_000;

/// The key that signs invitations.
#[derive(Clone)]
pub struct StateKey(hmac::Key);

/// An invitation to consent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// When it was made, to the millisecond, by the clock of the machine that made it.
    pub issued: DateTime<Utc>,
    /// Until when it can be used, to the millisecond.
    pub expires: DateTime<Utc>,
    /// The tenant that may consent; `None` for any.
    pub tenant: Option<TenantId>,
    /// The domain that the tenant will be shown as. One of no bytes, or of more than DNS allows (253), is left out.
    pub domain: Option<String>,
}

/// Why a `state` is no invitation.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum StateError {
    /// There is none.
    #[snafu(display(
        "the consent was not asked for by this collector: state is missing. Run office365-source register and open the link \
         that it prints"
    ))]
    Missing,
    /// It is nothing that was ever sealed.
    #[snafu(display(
        "the state of the consent link cannot be read; the link was probably cut off when it was copied. Open the whole link, \
         or run office365-source register again for another"
    ))]
    Malformed,
    /// It was not signed with this key.
    #[snafu(display(
        "the state of the consent link was not made with this client_id and client_secret. If the secret was renewed since, or \
         the link is another collector's: run office365-source register again, with the configuration of this one, and \
         open the link that it prints"
    ))]
    Forged,
    /// It was made at a time that is yet to come.
    #[snafu(display(
        "the consent link was made at {at}, which lies in the future: the clock of the machine that made it is wrong. Set it \
         right, run office365-source register again and open the link that it prints"
    ))]
    FromTheFuture {
        /// When.
        at: DateTime<Utc>,
    },
    /// It is too old.
    #[snafu(display(
        "the consent link expired at {at}; run office365-source register again and open the link that it prints"
    ))]
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
}

impl StateKey {
    /// The key of an application. A renewed credential makes invitations void that are still open.
    pub fn derive(secret: &SecretString, client_id: Uuid) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let mut context = hmac::Context::with_key(&secret);
        context.update(LABEL);
        context.update(client_id.as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref()))
    }

    /// Makes a `state` of letters, digits, `-` and `_`, shorter than 1,000 characters. No two are alike.
    pub fn seal(&self, invitation: &Invitation) -> String {
        let mut bytes = Vec::with_capacity(FIXED + LONGEST_DOMAIN + TAG);
        bytes.push(VERSION);
        bytes.extend(rand::rng().random::<[u8; NONCE]>());
        bytes.extend(invitation.issued.timestamp_millis().to_be_bytes());
        bytes.extend(invitation.expires.timestamp_millis().to_be_bytes());
        bytes.extend(invitation.tenant.map_or(Uuid::nil(), |tenant| tenant.0).as_bytes());
        let domain = invitation.domain.as_deref().filter(|domain| domain.len() <= LONGEST_DOMAIN);
        bytes.extend(domain.unwrap_or_default().as_bytes());
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend(tag.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a `state` that came back at `now`.
    ///
    /// # Errors
    ///
    /// When it is not one that this key has sealed, was made more than five minutes in the future, or has expired.
    pub fn open(&self, state: &str, now: DateTime<Utc>) -> Result<Invitation, StateError> {
        ensure!(!state.is_empty(), MissingSnafu);
        ensure!(state.len() < LONGEST, MalformedSnafu);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(state).ok().context(MalformedSnafu)?;
        let (sealed, tag) = bytes.split_last_chunk::<TAG>().context(MalformedSnafu)?;
        ensure!(sealed.len() >= FIXED && sealed.first() == Some(&VERSION), MalformedSnafu);
        // Compared in constant time by ring.
        hmac::verify(&self.0, sealed, tag).ok().context(ForgedSnafu)?;
        let invitation = read(&sealed[1 + NONCE..]).context(MalformedSnafu)?;
        ensure!(invitation.issued - CLOCKS_DIFFER <= now, FromTheFutureSnafu { at: invitation.issued });
        ensure!(now < invitation.expires, ExpiredSnafu { at: invitation.expires });
        Ok(invitation)
    }
}

fn read(bytes: &[u8]) -> Option<Invitation> {
    let time = |bytes: &[u8; 8]| DateTime::from_timestamp_millis(i64::from_be_bytes(*bytes));
    let (issued, rest) = bytes.split_first_chunk()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (issued, expires) = (time(issued)?, time(expires)?);
    let (tenant, domain) = rest.split_first_chunk()?;
    let tenant = Uuid::from_bytes(*tenant);
    let tenant = (!tenant.is_nil()).then_some(TenantId(tenant));
    let domain = Some(str::from_utf8(domain).ok()?).filter(|domain| !domain.is_empty()).map(str::to_owned);
    Some(Invitation { issued, expires, tenant, domain })
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn key(secret: &str) -> StateKey {
        StateKey::derive(&SecretString::from(secret), Uuid::from_u128(1))
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    fn invitation() -> Invitation {
        Invitation {
            issued: now(),
            expires: now() + TimeDelta::hours(1),
            tenant: Some(TenantId(Uuid::from_u128(7))),
            domain: Some("contoso.com".into()),
        }
    }

    #[test]
    fn an_invitation_is_good_until_it_expires() {
        let (key, state) = (key("s"), key("s").seal(&invitation()));
        assert_eq!(key.open(&state, now()), Ok(invitation()));
        let last = invitation().expires - TimeDelta::milliseconds(1);
        assert!(key.open(&state, last).is_ok());
        let error = key.open(&state, invitation().expires).unwrap_err();
        assert_eq!(error, StateError::Expired { at: invitation().expires });
        assert!(error.to_string().contains("office365-source register"), "{error}");
    }

    #[test]
    fn an_invitation_from_a_clock_that_is_ahead_is_refused() {
        let ahead = |minutes| Invitation {
            issued: now() + TimeDelta::minutes(minutes),
            expires: now() + TimeDelta::days(400),
            ..invitation()
        };
        let key = key("s");
        assert!(key.open(&key.seal(&ahead(5)), now()).is_ok());
        let error = key.open(&key.seal(&ahead(6)), now()).unwrap_err();
        assert_eq!(error, StateError::FromTheFuture { at: ahead(6).issued });
        assert!(error.to_string().contains("the clock of the machine that made it is wrong"), "{error}");
    }

    #[test]
    fn another_secret_or_application_opens_nothing() {
        let state = key("s").seal(&invitation());
        let other_application = StateKey::derive(&SecretString::from("s"), Uuid::from_u128(2));
        let the_secret_itself = StateKey(hmac::Key::new(hmac::HMAC_SHA256, b"s"));
        for key in [key("t"), other_application, the_secret_itself] {
            assert_eq!(key.open(&state, now()), Err(StateError::Forged));
        }
    }

    #[test]
    fn no_two_states_are_alike_and_the_longest_fits() {
        let key = key("s");
        assert_ne!(key.seal(&invitation()), key.seal(&invitation()));
        let longest = Invitation { domain: Some("x".repeat(LONGEST_DOMAIN)), ..invitation() };
        let state = key.seal(&longest);
        assert_eq!((state.len(), key.open(&state, now())), (446, Ok(longest)));
        let longer = Invitation { domain: Some("x".repeat(LONGEST_DOMAIN + 1)), ..invitation() };
        assert_eq!(key.open(&key.seal(&longer), now()).unwrap().domain, None);
    }

    #[test]
    fn what_was_never_sealed_is_told_apart() {
        let key = key("s");
        assert_eq!(key.open("", now()), Err(StateError::Missing));
        let state = key.seal(&invitation());
        for bad in ["x", "a+b/", "%", &"A".repeat(40), &"A".repeat(LONGEST), &state[..40], &format!("{state}=")] {
            assert_eq!(key.open(bad, now()), Err(StateError::Malformed), "{bad}");
        }
        assert_eq!(key.open(&state[..state.len() - 3], now()), Err(StateError::Forged));
    }

    #[test]
    fn the_key_is_not_in_debug_output() {
        assert_eq!(format!("{:?}", key("hunter2")), "StateKey { .. }");
    }

    proptest! {
        #[test]
        fn what_is_sealed_can_be_opened(
            millis in 0_i64..4_000_000_000_000,
            tenant in prop::option::of(1_u128..),
            domain in prop::option::of("[a-zä.-]{1,60}"),
        ) {
            let expires = DateTime::from_timestamp_millis(millis + 1).unwrap();
            let issued = DateTime::from_timestamp_millis(millis).unwrap();
            let invitation = Invitation { issued, expires, tenant: tenant.map(|id| TenantId(Uuid::from_u128(id))), domain };
            let state = key("s").seal(&invitation);
            prop_assert!(state.len() < LONGEST);
            prop_assert!(state.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            prop_assert_eq!(key("s").open(&state, issued), Ok(invitation));
        }

        #[test]
        fn no_bit_can_be_changed(at in 0_usize..92, bit in 0_u32..8) {
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(key("s").seal(&invitation())).unwrap();
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(key("s").open(&BASE64_URL_SAFE_NO_PAD.encode(bytes), now()).is_err());
        }

        #[test]
        fn any_text_can_be_opened(state in any::<String>()) {
            prop_assert!(key("s").open(&state, now()).is_err());
        }
    }
}
