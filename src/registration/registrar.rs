//! From an administrator's consent to a tenant that is collected.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use secrecy::SecretString;
use snafu::{ResultExt, Snafu, ensure};
use tokio::time::sleep;
use tracing::{error, info};
use url::Url;

use super::{Callback, Invitation, StateError, StateKey};
use crate::{
    activity::Subscription,
    content::{ContentType, TenantId},
    discovery::{DiscoveryError, Standing},
    entra::{EntraError, Tokens, advice_in},
    ledger::LedgerError,
    tenancy::Tenancy,
};

/// A consent takes some seconds to reach all of Entra: until then a token request is refused as if there were none. How long
/// that is worth waiting for, while a browser waits.
const PROPAGATION: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(15), Duration::from_secs(20)];

/// Entra's errors until it knows of the consent: application not found, no consent, not enabled.
const NOT_YET: [u32; 5] = [700_016, 65_001, 7_000_229, 650_052, 700_011];

/// Reads the key that invitations are signed with; called each time, since a renewed client secret makes another.
pub type ReadStateKey = Arc<dyn Fn() -> BoxFuture<'static, Result<StateKey, String>> + Send + Sync>;

/// Takes an administrator's consent and makes a tenant of it.
#[derive(Clone)]
pub struct Registrar {
    /// Where the tenant goes.
    pub tenancy: Tenancy,
    /// Whether the consent is known to Entra.
    pub tokens: Arc<Tokens>,
    /// Who was invited.
    pub state_key: ReadStateKey,
    /// Where Entra was asked to redirect to.
    pub redirect_uri: Url,
}

/// An answer to an invitation of ours.
#[derive(Debug)]
pub struct Consent {
    invitation: Invitation,
    proof: Proof,
}

/// What shows whose consent it is.
#[derive(Debug)]
enum Proof {
    /// The browser says so.
    Claimed(TenantId),
    /// Entra will say so in exchange.
    Code(SecretString),
}

/// What a registration came to.
#[derive(Debug)]
pub struct Registration {
    /// The tenant.
    pub tenant: TenantId,
    /// Each content type, with what keeps it from being collected with a webhook.
    pub content_types: Vec<(ContentType, Result<(), String>)>,
    /// The tenant's subscriptions afterwards, as far as the API reports them.
    pub subscriptions: Vec<Subscription>,
}

impl Registration {
    /// Whether every content type is collected.
    pub fn is_complete(&self) -> bool {
        self.content_types.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

/// Why there is no registration.
#[derive(Debug, Snafu)]
pub enum RegistrationError {
    /// There was no valid invitation.
    #[snafu(display("{source}"))]
    State {
        /// Why not.
        source: StateError,
    },
    /// The key of invitations cannot be made; why is in the log, since this may be shown to unauthenticated visitors.
    #[snafu(display("the collector cannot read its client secret; its log says why"))]
    Key,
    /// The tenant is known, and the answer does not prove who gave it.
    #[snafu(display(
        "this tenant cannot be registered with this link. If it is yours and is collected already, nothing more is to be done; \
         to register it again, ask for a link that `office365-source register --tenant` makes for it"
    ))]
    Known,
    /// The answer is not Entra's.
    #[snafu(display("this is no answer of Microsoft Entra's to a request for consent: {problem}"))]
    Unintelligible {
        /// Why not.
        problem: &'static str,
    },
    /// The invitation was for another tenant.
    #[snafu(display(
        "the link was made for tenant {invited}, but the administrator belongs to tenant {consented}: sign in as an \
         administrator of the right tenant, or run `office365-source register` without --tenant"
    ))]
    OtherTenant {
        /// Who was invited.
        invited: TenantId,
        /// Who came.
        consented: TenantId,
    },
    /// The administrator or Entra refused.
    #[snafu(display("consent was not given: {description}{}", advice.map(|advice| format!(" ({advice})")).unwrap_or_default()))]
    Denied {
        /// Entra's words.
        description: String,
        /// What to do.
        advice: Option<&'static str>,
    },
    /// Entra gave no token for the tenant.
    #[snafu(display("{source}"))]
    Entra {
        /// Why.
        source: EntraError,
    },
    /// The ledger.
    #[snafu(display("{source}"))]
    Ledger {
        /// How.
        source: LedgerError,
    },
}

impl Registrar {
    /// Looks at what a browser brought back, without asking Microsoft.
    ///
    /// # Errors
    ///
    /// When it is not the answer to an invitation of ours, or a refusal.
    pub async fn examine(&self, callback: Callback) -> Result<Consent, RegistrationError> {
        match callback {
            Callback::AdminConsent { tenant, state } => {
                let invitation = self.open(state.as_deref()).await?;
                if let Some(invited) = invitation.tenant {
                    ensure!(invited == tenant, OtherTenantSnafu { invited, consented: tenant });
                }
                Ok(Consent { proof: Proof::Claimed(tenant), invitation })
            }
            Callback::AuthorizationCode { code, state } => {
                Ok(Consent { invitation: self.open(state.as_deref()).await?, proof: Proof::Code(code) })
            }
            Callback::Denied { error, description, state } => {
                let advice = advice_in(&description);
                // Anybody can make a link with any text, so that only answers to ours are repeated. The older consent page
                // leaves the state out when the administrator cancels.
                let description = match self.open(state.as_deref()).await {
                    Err(_) => {
                        "the administrator or Microsoft Entra refused. Open the link of `office365-source register` \
                               again, sign in as an administrator, and click Accept"
                            .to_owned()
                    }
                    Ok(_) if description.is_empty() => error,
                    Ok(_) => format!("{description} ({error})"),
                };
                Err(RegistrationError::Denied { description, advice })
            }
            Callback::Unintelligible { problem } => Err(RegistrationError::Unintelligible { problem }),
            Callback::Probe => Err(RegistrationError::Unintelligible { problem: "it has no parameters" }),
        }
    }

    /// Completes a registration.
    ///
    /// # Errors
    ///
    /// When the consent is not one that Entra knows of. What keeps single content types from being collected is in the
    /// [`Registration`]: the source goes on trying.
    pub async fn complete(&self, Consent { proof, invitation }: Consent) -> Result<Registration, RegistrationError> {
        let (tenant, is_proved) = match &proof {
            Proof::Claimed(tenant) => (*tenant, invitation.tenant.is_some()),
            Proof::Code(code) => (self.tokens.redeem(code, &self.redirect_uri).await.context(EntraSnafu)?, true),
        };
        if let Some(invited) = invitation.tenant {
            ensure!(invited == tenant, OtherTenantSnafu { invited, consented: tenant });
        }
        // The id in an admin-consent answer is what the browser says. An administrator who was invited once must not
        // change, or learn about, another organisation's tenant.
        ensure!(is_proved || !self.tenancy.tenants.contains(tenant), KnownSnafu);
        if let Err(error) = self.wait_for_consent(tenant).await {
            self.tokens.forget(tenant);
            return Err(error);
        }
        info!(message = "An administrator has consented.", %tenant);
        // The tenant cannot be removed meanwhile, nor registered twice at a time.
        let turn = self.tenancy.turn(tenant);
        let _turn = turn.lock().await;
        // From here on notifications of the tenant are accepted: they may come as soon as the first subscription is started.
        self.tenancy.add(tenant, invitation.domain).await.context(LedgerSnafu)?;
        self.subscribe(tenant).await
    }

    async fn open(&self, state: Option<&str>) -> Result<Invitation, RegistrationError> {
        let Some(state) = state else { return Err(RegistrationError::State { source: StateError::Missing }) };
        let key = (self.state_key)().await.map_err(|problem| {
            error!(message = "Webhook: invitations cannot be read.", error = %problem);
            RegistrationError::Key
        })?;
        key.open(state, self.tenancy.client.clock().now()).context(StateSnafu)
    }

    /// Waits until Entra gives tokens for the tenant, which it does a little after the consent.
    async fn wait_for_consent(&self, tenant: TenantId) -> Result<(), RegistrationError> {
        for pause in PROPAGATION {
            self.tokens.forget_refusal(tenant).await;
            match self.tokens.get(tenant).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code().is_some_and(|code| NOT_YET.contains(&code)) => sleep(pause).await,
                Err(source) => return Err(RegistrationError::Entra { source }),
            }
        }
        self.tokens.forget_refusal(tenant).await;
        self.tokens.get(tenant).await.map(drop).context(EntraSnafu)
    }

    async fn subscribe(&self, tenant: TenantId) -> Result<Registration, RegistrationError> {
        let subscriptions = self.tenancy.subscriptions.of(tenant);
        let mut content_types = Vec::new();
        for content_type in &self.tenancy.content_types {
            let outcome = match subscriptions.ensure(*content_type).await {
                Ok(Standing::AsWanted { .. }) => Ok(()),
                Ok(Standing::Impaired(problem)) => Err(problem.to_string()),
                Err(DiscoveryError::Ledger { source }) => return Err(RegistrationError::Ledger { source }),
                Err(DiscoveryError::Activity { source }) => Err(source.failure.to_string()),
                Err(error) => Err(error.to_string()),
            };
            content_types.push((*content_type, outcome));
        }
        // For the answer's sake only.
        let subscriptions = self.tenancy.client.list_subscriptions(tenant).await.unwrap_or_default();
        Ok(Registration { tenant, content_types, subscriptions })
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}
