//! The link that asks an administrator for consent.

use url::Url;
use uuid::Uuid;

use crate::content::TenantId;

/// How consent is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ConsentFlow {
    /// The admin consent endpoint of the Microsoft identity platform: the redirect names the tenant.
    #[default]
    AdminConsent,
    /// An authorization request with `prompt=admin_consent`: the redirect brings a code, and the token that it is worth
    /// names the tenant (Microsoft's "Get started with Office 365 Management APIs").
    AuthorizationCode,
}

/// What a consent link is made of.
#[derive(Clone, Debug)]
pub struct ConsentRequest<'a> {
    /// The origin of Microsoft Entra, such as `https://login.microsoftonline.com`.
    pub authority: &'a Url,
    /// How consent is asked for.
    pub flow: ConsentFlow,
    /// The tenant whose administrator is to consent; `None` for any organisation's. Only the admin consent endpoint takes
    /// it.
    pub tenant: Option<TenantId>,
    /// The Application (client) ID.
    pub client_id: Uuid,
    /// What access is asked to, such as `https://manage.office.com`.
    pub resource: &'a str,
    /// Where the administrator's browser is sent afterwards; one of the redirect URIs of the app registration.
    pub redirect_uri: &'a Url,
    /// What comes back with it.
    pub state: &'a str,
}

impl ConsentRequest<'_> {
    /// The link.
    pub fn url(&self) -> Url {
        let mut url = self.authority.clone();
        let (client_id, redirect_uri) = (self.client_id.to_string(), self.redirect_uri.as_str());
        match self.flow {
            ConsentFlow::AdminConsent => {
                // `common` would let personal accounts in, which have no administrators.
                let tenant = self.tenant.map_or_else(|| "organizations".to_owned(), |tenant| tenant.to_string());
                url.set_path(&format!("/{tenant}/v2.0/adminconsent"));
                let scope = format!("{}/.default", self.resource);
                url.query_pairs_mut().append_pair("client_id", &client_id).append_pair("scope", &scope);
            }
            ConsentFlow::AuthorizationCode => {
                url.set_path("/common/oauth2/authorize");
                url.query_pairs_mut()
                    .append_pair("response_type", "code")
                    .append_pair("prompt", "admin_consent")
                    .append_pair("resource", self.resource)
                    .append_pair("client_id", &client_id);
            }
        }
        url.query_pairs_mut().append_pair("redirect_uri", redirect_uri).append_pair("state", self.state);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AuthConfig, Cloud, Office365Config, SecretRef};

    fn url(cloud: Cloud, flow: ConsentFlow, tenant: Option<TenantId>) -> Url {
        let client_id = Uuid::from_u128(0x1111_1111_2222_4333_8444_5555_5555_5555);
        let auth = AuthConfig::with_secret(client_id, SecretRef::from("hunter2"));
        let config = Office365Config { cloud: Some(cloud), ..Office365Config::new(auth, Vec::new()) };
        ConsentRequest {
            authority: &config.authority(),
            flow,
            tenant,
            client_id,
            resource: config.resource(),
            redirect_uri: &"https://demo.example.com:8443/wh/o365/".parse().unwrap(),
            state: "AQ-_a",
        }
        .url()
    }

    #[test]
    fn consent_is_asked_for_at_the_login_of_the_cloud() {
        for (cloud, origin) in [
            (Cloud::Enterprise, "https://login.microsoftonline.com"),
            (Cloud::Gcc, "https://login.microsoftonline.com"),
            (Cloud::GccHigh, "https://login.microsoftonline.us"),
            (Cloud::Dod, "https://login.microsoftonline.us"),
        ] {
            let (consent, code) =
                (url(cloud, ConsentFlow::AdminConsent, None), url(cloud, ConsentFlow::AuthorizationCode, None));
            assert_eq!((consent.origin().ascii_serialization().as_str(), consent.origin()), (origin, code.origin()));
            let scope = consent.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
            let resource = code.query_pairs().find(|(name, _)| name == "resource").unwrap().1.into_owned();
            assert_eq!((scope, resource.as_str()), (format!("{resource}/.default"), cloud.api_endpoint()));
        }
    }

    #[test]
    fn every_parameter_is_there_and_encoded() {
        assert_eq!(
            url(Cloud::Enterprise, ConsentFlow::AdminConsent, None).as_str(),
            "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=11111111-2222-4333-8444-\
             555555555555&scope=https%3A%2F%2Fmanage.office.com%2F.default&redirect_uri=https%3A%2F%2Fdemo.example.com\
             %3A8443%2Fwh%2Fo365%2F&state=AQ-_a"
        );
        assert_eq!(
            url(Cloud::Enterprise, ConsentFlow::AuthorizationCode, None).as_str(),
            "https://login.microsoftonline.com/common/oauth2/authorize?response_type=code&prompt=admin_consent&resource=\
             https%3A%2F%2Fmanage.office.com&client_id=11111111-2222-4333-8444-555555555555&redirect_uri=https%3A%2F%2F\
             demo.example.com%3A8443%2Fwh%2Fo365%2F&state=AQ-_a"
        );
    }

    #[test]
    fn a_tenant_is_named_where_there_is_a_place_for_it() {
        let tenant = TenantId(Uuid::from_u128(7));
        let consent = url(Cloud::Enterprise, ConsentFlow::AdminConsent, Some(tenant));
        assert_eq!(consent.path(), format!("/{tenant}/v2.0/adminconsent"));
        let code = url(Cloud::Enterprise, ConsentFlow::AuthorizationCode, Some(tenant));
        assert_eq!(code.path(), "/common/oauth2/authorize");
    }
}
