//! The rules of a source that its types cannot express. All of them are checked, and all problems are reported.

use std::collections::HashMap;

use url::Url;

use super::{
    duration::HumanDuration,
    error::{ConfigErrors, Problems},
    origin,
    source::{Mode, Office365Config, TenantConfig},
};
use crate::content::TenantId;

impl Office365Config {
    /// Checks every rule and reports every problem. `path` is where this block is, such as `sources.m365`.
    pub fn validate(&self, path: &str) -> Result<(), ConfigErrors> {
        let mut problems = Problems::below(path);
        self.check_content_types(&mut problems);
        self.check_endpoints(&mut problems);
        self.check_identity(&mut problems);
        self.check_tenants(&mut problems);
        if self.start_from.as_secs() == 0 || self.start_from > HumanDuration::from_days(7) {
            problems.add(
                "start_from",
                format!("{} is out of range", self.start_from),
                "Write a duration from \"1s\" to \"7d\", such as start_from = \"24h\": the API holds seven days.",
            );
        }
        self.state.check(&mut problems);
        if let Some(search) = &self.audit_search {
            search.check(&mut problems);
        }
        self.filters.check(&mut problems, &self.content_types);
        self.normalize.check(&mut problems);
        self.poll.check(&mut problems);
        self.webhook.check_form(&mut problems);
        if self.mode == Mode::Webhook {
            self.webhook.check_rules(&mut problems);
        }
        self.request.check(&mut problems);
        self.dedupe.check(&mut problems);
        self.batch.check(&mut problems);
        self.memory.check(&mut problems, &self.batch);
        self.tls.check(&mut problems);
        self.proxy.check(&mut problems);
        problems.finish()
    }

    fn check_content_types(&self, problems: &mut Problems) {
        if self.content_types.is_empty() {
            problems.add(
                "content_types",
                "is empty",
                "Write at least one, such as content_types = [\"Audit.Exchange\"], or leave the key out.",
            );
        }
        let mut seen = HashMap::new();
        for (index, content_type) in self.content_types.iter().enumerate() {
            if let Some(first) = seen.insert(content_type, index) {
                problems.add(
                    &format!("content_types[{index}]"),
                    format!("\"{content_type}\" is in the list twice, as is content_types[{first}]"),
                    "Write each content type once.",
                );
            }
        }
    }

    fn check_endpoints(&self, problems: &mut Problems) {
        let mut check = |key: &str, url: Option<&Url>, example: &str| {
            if let Some(url) = url {
                origin::check(problems, key, url, example);
            }
        };
        check("endpoint", self.endpoint.as_ref(), "https://manage.office.com");
        check("auth_endpoint", self.auth_endpoint.as_ref(), "https://login.microsoftonline.com");
        if let (Some(_), Some(cloud)) = (&self.endpoint, self.cloud) {
            problems.add(
                "endpoint",
                format!("stands beside cloud = \"{}\", and both say where the API is", cloud.as_str()),
                "Write one of the two: cloud for Microsoft's own endpoints, endpoint for any other.",
            );
        }
        if let Some(path) = &self.token_path {
            let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
            if !plain
                || !path.starts_with('/')
                || path.starts_with("//")
                || !path.ends_with("/token")
                || path.contains("..")
            {
                problems.add(
                    "token_path",
                    format!("{path:?} is not the path of a token endpoint"),
                    "Write token_path = \"/oauth2/v2.0/token\" or token_path = \"/oauth2/token\".",
                );
            }
        }
    }

    fn check_identity(&self, problems: &mut Problems) {
        let is_webhook = self.mode == Mode::Webhook;
        self.auth.check(problems, "auth", is_webhook);
        for (index, tenant) in self.tenants.iter().enumerate() {
            if let Some(auth) = &tenant.auth {
                auth.check(problems, &format!("tenants[{index}].auth"), is_webhook);
            }
        }
        let company = "Write the tenant GUID of your own company, the one that runs this collector (Microsoft Entra admin \
                       center > Overview > Tenant ID).";
        match self.publisher_identifier {
            None if self.tenants.len() > 1 => {
                problems.add(
                    "publisher_identifier",
                    "is missing, and with several tenants there is no default",
                    company,
                );
            }
            // Without a webhook, to have no tenants is the problem.
            None if self.tenants.is_empty() && (self.mode == Mode::Webhook || self.webhook.public_url.is_some()) => {
                problems.add("publisher_identifier", "is missing, and without tenants there is no default", company);
            }
            Some(id) if id.is_nil() => {
                problems.add(
                    "publisher_identifier",
                    "is all zeros, a publisher whose requests Microsoft throttles",
                    company,
                );
            }
            _ => {}
        }
    }

    fn check_tenants(&self, problems: &mut Problems) {
        // Tenants that registered are collected in either mode.
        let may_have_registered = self.mode == Mode::Webhook || self.webhook.public_url.is_some();
        if self.tenants.is_empty() && !may_have_registered {
            problems.add(
                "tenants",
                "is missing or empty, and without webhook.public_url no tenant can have registered",
                "Write a [[…tenants]] table with the id of at least one, such as id = \
                 \"6a98b5da-7b3c-4486-bb0b-66a048c6da62\" (Microsoft Entra admin center > Overview > Tenant ID).",
            );
        }
        let mut seen = HashMap::new();
        for (index, tenant) in self.tenants.iter().enumerate() {
            check_tenant(index, tenant, &mut seen, problems);
        }
    }
}

fn check_tenant(index: usize, tenant: &TenantConfig, seen: &mut HashMap<TenantId, usize>, problems: &mut Problems) {
    if let Some(first) = seen.insert(tenant.id, index) {
        problems.add(
            &format!("tenants[{index}].id"),
            format!("the tenant {} is in the list twice, as is tenants[{first}].id", tenant.id),
            "Write each tenant once.",
        );
    }
    if let Some(domain) = &tenant.domain
        && !is_domain(domain)
    {
        problems.add(
            &format!("tenants[{index}].domain"),
            format!("{domain:?} is not a domain name"),
            "Write domain = \"contoso.com\", or leave the key out.",
        );
    }
}

/// Whether a text may stand where the domain of a tenant does.
///
/// Loose on purpose: the domain is a name for people. It must not be a URL, an address or a sentence, though.
pub fn is_domain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && !text.starts_with('.')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}
