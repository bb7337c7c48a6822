//! Access tokens of a managed identity, from the machine that Azure gives it to.
//!
//! Three services give them, distinguished by the environment as Microsoft's own libraries do ("How to use managed
//! identities to acquire an access token", "How to use managed identities for App Service", "Authenticate against Azure
//! resources with Azure Arc-enabled servers"): App Service and Container Apps (`IDENTITY_ENDPOINT` and `IDENTITY_HEADER`),
//! Azure Arc (`IDENTITY_ENDPOINT` and `IMDS_ENDPOINT`), else the instance metadata service of virtual machines.

mod arc;
mod endpoint;
mod error;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

pub use self::{
    endpoint::{IdentityEndpoint, IdentityEnvironment},
    error::ManagedIdentityError,
};
use super::claims;
use crate::{
    content::TenantId,
    printable::printable,
    transport::{Request, Transport, TransportError, TransportFailure},
};

/// How long a service on the same machine or host may take.
const PATIENCE: Duration = Duration::from_secs(10);

const LARGEST_ANSWER: usize = 256 * 1024;

/// How much of a service's answer is reported. Unit: characters.
const MOST_SAID: usize = 300;

/// Which of a machine's identities.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum IdentityChoice {
    /// The one that the system made for the machine.
    #[default]
    System,
    /// A user-assigned one, by its client ID.
    ClientId(String),
    /// A user-assigned one, by its resource ID.
    ResourceId(String),
}

/// Asks for the tokens of a managed identity.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    /// Who is asked.
    pub endpoint: IdentityEndpoint,
    /// Which identity.
    pub choice: IdentityChoice,
    /// The way there, without a proxy: the services are on this machine or its host.
    pub transport: Arc<dyn Transport>,
}

/// A token, and for how long it is good.
#[derive(Debug)]
pub struct IdentityToken {
    /// The token.
    pub token: SecretString,
    /// From now on.
    pub expires_in: Duration,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl ManagedIdentity {
    /// A token for a resource, such as `https://manage.office.com`. `tenant` is whose audit logs it is to read.
    ///
    /// # Errors
    ///
    /// When there is none, or it is another tenant's: a managed identity has tokens for the tenant of its subscription only.
    pub async fn token(
        &self,
        resource: &str,
        tenant: Option<TenantId>,
        now: i64,
    ) -> Result<IdentityToken, ManagedIdentityError> {
        let request = self.endpoint.request(resource, &self.choice)?;
        let mut answer = self.ask(&request).await?;
        if let (IdentityEndpoint::Arc { key_directory, .. }, StatusCode::UNAUTHORIZED) = (&self.endpoint, answer.status)
        {
            let mut proven = request;
            proven.headers.insert(http::header::AUTHORIZATION, arc::answer(&answer.headers, key_directory)?);
            answer = self.ask(&proven).await?;
        }
        let token = self.read(&answer, now)?;
        match (tenant, claims::tenant(token.token.expose_secret())) {
            (Some(wanted), Some(own)) if wanted != own => Err(ManagedIdentityError::OtherTenant { wanted, own }),
            _ => Ok(token),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, ManagedIdentityError> {
        let exchange = async {
            let response = self.transport.send(request.clone()).await?;
            let (status, headers) = (response.status, response.headers.clone());
            let body = response.read_up_to(LARGEST_ANSWER).await?;
            Ok(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
        };
        let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| {
            let waited = format!("waited {} s", PATIENCE.as_secs());
            Err(TransportError::new(TransportFailure::Timeout, waited))
        });
        let service = self.endpoint.name();
        answer.map_err(|source| ManagedIdentityError::Unreachable { service, source })
    }

    fn read(&self, answer: &Answer, now: i64) -> Result<IdentityToken, ManagedIdentityError> {
        let (service, status) = (self.endpoint.name(), answer.status);
        let text = |name: &str| answer.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(token) = text("access_token").filter(|_| status.is_success()) {
            let expires_in = number(&answer.body, "expires_in")
                .or_else(|| number(&answer.body, "expires_on").map(|time| time.saturating_sub(now)));
            let expires_in = Duration::from_secs(u64::try_from(expires_in.unwrap_or_default()).unwrap_or_default());
            return Ok(IdentityToken { token: SecretString::from(token), expires_in });
        }
        let said = text("error_description").or_else(|| text("message")).or_else(|| text("error")).unwrap_or_default();
        let said = match &self.endpoint {
            // A service may repeat what it was sent.
            IdentityEndpoint::AppService { header, .. } => said.replace(header.expose_secret(), "[redacted]"),
            _ => said.to_owned(),
        };
        let said = printable(&said, MOST_SAID);
        // As azure-identity waits: 410 means that the service is being updated, 404 that the identity is on its way.
        let is_temporary = status.is_server_error()
            || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS);
        Err(match status {
            _ if is_temporary => ManagedIdentityError::Busy { service, status, said },
            status if status.is_success() => ManagedIdentityError::NoToken { service, status },
            status => ManagedIdentityError::Refused { service, status, said, choice: self.choice.clone() },
        })
    }
}

/// A number, which some of the services write as a text.
fn number(body: &Value, name: &str) -> Option<i64> {
    match body.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

impl IdentityEndpoint {
    fn request(&self, resource: &str, choice: &IdentityChoice) -> Result<Request, ManagedIdentityError> {
        let (url, version, header): (&Url, _, _) = match self {
            Self::Imds { url } => (url, "2018-02-01", METADATA),
            Self::AppService { url, header } => {
                let mut header = HeaderValue::from_str(header.expose_secret())
                    .map_err(|_| ManagedIdentityError::Environment { name: "IDENTITY_HEADER" })?;
                header.set_sensitive(true);
                (url, "2019-08-01", ("x-identity-header", header))
            }
            Self::Arc { url, .. } => (url, "2020-06-01", METADATA),
        };
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        match (self, choice) {
            (_, IdentityChoice::System) => {}
            (Self::Arc { .. }, _) => return Err(ManagedIdentityError::ArcSystemOnly),
            (_, IdentityChoice::ClientId(id)) => {
                url.query_pairs_mut().append_pair("client_id", id);
            }
            (Self::Imds { .. }, IdentityChoice::ResourceId(id)) => {
                url.query_pairs_mut().append_pair("msi_res_id", id);
            }
            (Self::AppService { .. }, IdentityChoice::ResourceId(id)) => {
                url.query_pairs_mut().append_pair("mi_res_id", id);
            }
        }
        let mut request = Request::new(Method::GET, url);
        request.headers.insert(header.0, header.1);
        Ok(request)
    }
}

const METADATA: (&str, HeaderValue) = ("metadata", HeaderValue::from_static("true"));

#[cfg(test)]
mod tests;
