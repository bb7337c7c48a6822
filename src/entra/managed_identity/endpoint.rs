//! Who gives the tokens of a managed identity.

use std::{env, path::PathBuf};

use secrecy::SecretString;
use url::Url;

use super::ManagedIdentityError;

/// The instance metadata service, an address that only reaches the host of a virtual machine.
const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

/// Where Azure Arc's agent puts the keys of its challenges.
const ARC_KEYS: &str = if cfg!(windows) {
    "C:\\ProgramData\\AzureConnectedMachineAgent\\Tokens"
} else if cfg!(target_os = "macos") {
    "/Library/Application Support/azcmagent/tokens"
} else {
    "/var/opt/azcmagent/tokens"
};

/// Who gives the tokens of a managed identity.
#[derive(Clone, Debug)]
pub enum IdentityEndpoint {
    /// The instance metadata service of a virtual machine, also behind the pods of AKS.
    Imds {
        /// Its address.
        url: Url,
    },
    /// App Service, Functions or Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        url: Url,
        /// `IDENTITY_HEADER`, by which the service knows the application.
        header: SecretString,
    },
    /// Azure Arc.
    Arc {
        /// `IDENTITY_ENDPOINT`.
        url: Url,
        /// Where its keys are.
        key_directory: PathBuf,
    },
}

/// What the environment says of managed identities.
#[derive(Clone, Debug, Default)]
pub struct IdentityEnvironment {
    /// `IDENTITY_ENDPOINT`.
    pub identity_endpoint: Option<String>,
    /// `IDENTITY_HEADER`.
    pub identity_header: Option<SecretString>,
    /// `IMDS_ENDPOINT`.
    pub imds_endpoint: Option<String>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`: another address of the instance metadata service, as Microsoft's libraries take it.
    pub imds_host: Option<String>,
}

impl IdentityEnvironment {
    /// What this process's environment says.
    pub fn of_process() -> Self {
        let read = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            identity_endpoint: read("IDENTITY_ENDPOINT"),
            identity_header: read("IDENTITY_HEADER").map(SecretString::from),
            imds_endpoint: read("IMDS_ENDPOINT"),
            imds_host: read("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        }
    }

    /// Who is asked.
    ///
    /// # Errors
    ///
    /// When a variable is not the URL of a service on this machine.
    pub fn endpoint(self) -> Result<IdentityEndpoint, ManagedIdentityError> {
        match (self.identity_endpoint, self.identity_header, self.imds_endpoint) {
            (Some(url), Some(header), _) => {
                Ok(IdentityEndpoint::AppService { url: local(&url, "IDENTITY_ENDPOINT")?, header })
            }
            (Some(url), None, Some(_)) => {
                Ok(IdentityEndpoint::Arc { url: local(&url, "IDENTITY_ENDPOINT")?, key_directory: ARC_KEYS.into() })
            }
            _ => {
                let host = self.imds_host.as_deref().unwrap_or(IMDS);
                let mut url = local(host, "AZURE_POD_IDENTITY_AUTHORITY_HOST")?;
                url.set_path(IMDS_PATH);
                Ok(IdentityEndpoint::Imds { url })
            }
        }
    }
}

fn local(url: &str, name: &'static str) -> Result<Url, ManagedIdentityError> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    url.ok_or(ManagedIdentityError::Environment { name })
}

impl IdentityEndpoint {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Imds { .. } => "the instance metadata service",
            Self::AppService { .. } => "the identity endpoint of App Service or Container Apps",
            Self::Arc { .. } => "Azure Arc's identity endpoint",
        }
    }
}
