//! Inviting an administrator to consent.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use snafu::{OptionExt, Snafu, ensure};
use url::Url;

use super::{ConsentFlow, ConsentRequest, Invitation};
use crate::{config::Mode, content::TenantId, credentials::CredentialError, tenancy::ConfiguredSource};

/// Whom to invite, and for how long.
#[derive(Clone, Debug)]
pub struct InvitationOptions {
    /// How consent is asked for.
    pub flow: ConsentFlow,
    /// The tenant that may consent; `None` for any.
    pub tenant: Option<TenantId>,
    /// The domain that the tenant will be shown as.
    pub domain: Option<String>,
    /// How long the link is good.
    pub valid_for: Duration,
}

/// A link to send to an administrator.
#[derive(Clone, Debug)]
pub struct ConsentLink {
    /// The link.
    pub url: Url,
    /// What must be one of the redirect URIs of the app registration.
    pub redirect_uri: Url,
    /// Until when it is good.
    pub expires: DateTime<Utc>,
}

/// Why no invitation can be made.
#[derive(Debug, Snafu)]
pub enum InvitationError {
    /// No listener would take the answer.
    #[snafu(display(
        "{key}.mode: is \"poll\", in which nobody takes an administrator's consent. Write mode = \"webhook\" and \
         [{key}.webhook] with public_url; or, in mode \"poll\", a [[{key}.tenants]] table for the tenant"
    ))]
    Poll {
        /// Which source.
        key: String,
    },
    /// There is nowhere to send the administrator's browser.
    #[snafu(display(
        "{key}.webhook.public_url: is missing. Write the URL under which Microsoft reaches the listener, such as public_url \
         = \"https://demo.example.com:8443/wh/o365/\""
    ))]
    NoPublicUrl {
        /// Which source.
        key: String,
    },
    /// The credential, which signs invitations, cannot be read.
    #[snafu(transparent)]
    Credential {
        /// Why.
        source: CredentialError,
    },
}

/// Makes a link under which an administrator can consent. The source that runs with the same configuration takes the answer.
///
/// # Errors
///
/// When the configuration is not one of mode `webhook`, or its credential cannot be read.
pub async fn invite(
    source: ConfiguredSource<'_>,
    options: InvitationOptions,
    now: DateTime<Utc>,
) -> Result<ConsentLink, InvitationError> {
    let (config, key) = (source.config, source.key());
    ensure!(config.mode == Mode::Webhook, PollSnafu { key });
    let redirect_uri = config.webhook.public_url().context(NoPublicUrlSnafu { key: &key })?.clone();
    let state_key = config.state_key(&key).await?;
    let InvitationOptions { flow, tenant, domain, valid_for } = options;
    let life = TimeDelta::from_std(valid_for).unwrap_or(TimeDelta::MAX);
    let expires = now.checked_add_signed(life).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let state = state_key.seal(&Invitation { issued: now, expires, tenant, domain });
    let request = ConsentRequest {
        authority: &config.authority(),
        flow,
        tenant,
        client_id: config.auth.application_id().unwrap_or_default(),
        resource: config.resource(),
        redirect_uri: &redirect_uri,
        state: &state,
    };
    Ok(ConsentLink { url: request.url(), redirect_uri, expires })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::config::{AuthConfig, Office365Config, ProxyConfig, SecretRef};

    fn config() -> Office365Config {
        let auth = AuthConfig::with_secret(Uuid::from_u128(1), SecretRef::from("hunter2"));
        let mut config = Office365Config { mode: Mode::Webhook, ..Office365Config::new(auth, Vec::new()) };
        config.webhook.public_url = Some("https://demo.example.com:8443/wh/o365/".parse().unwrap());
        config
    }

    async fn invited(config: &Office365Config) -> Result<ConsentLink, InvitationError> {
        let proxy = ProxyConfig::default();
        let source = ConfiguredSource { name: "m365", config, data_dir: "/nowhere".as_ref(), proxy: &proxy };
        let options = InvitationOptions {
            flow: ConsentFlow::AdminConsent,
            tenant: Some(TenantId(Uuid::from_u128(7))),
            domain: Some("contoso.com".to_owned()),
            valid_for: Duration::from_secs(60),
        };
        invite(source, options, DateTime::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn the_state_is_the_invitation() {
        let link = invited(&config()).await.unwrap();
        let state = link.url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let invitation = config().state_key("sources.m365").await.unwrap().open(&state, DateTime::UNIX_EPOCH).unwrap();
        let expected = Invitation {
            issued: DateTime::UNIX_EPOCH,
            expires: DateTime::UNIX_EPOCH + TimeDelta::seconds(60),
            tenant: Some(TenantId(Uuid::from_u128(7))),
            domain: Some("contoso.com".to_owned()),
        };
        assert_eq!((invitation, link.expires), (expected.clone(), expected.expires));
        assert!(!link.url.as_str().contains("hunter2"));
    }

    #[tokio::test]
    async fn who_cannot_take_an_answer_invites_nobody() {
        let error = invited(&Office365Config { mode: Mode::Poll, ..config() }).await.unwrap_err().to_string();
        assert!(error.contains("Write mode = \"webhook\" and [sources.m365.webhook] with public_url"), "{error}");
        let mut nowhere = config();
        nowhere.webhook.public_url = None;
        let error = invited(&nowhere).await.unwrap_err().to_string();
        assert!(error.starts_with("sources.m365.webhook.public_url: is missing"), "{error}");
    }
}
