//! The audit search of Microsoft Graph, the second way to the same records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{cloud::Cloud, duration::HumanDuration, error::Problems, limits::Bounds, origin};

/// Microsoft takes so many queries of a tenant in 24 hours, of all applications together.
const BUDGET: Bounds = Bounds { min: 1, max: 200 };

/// A day may have to wait for eight days until it is compared. Purview Audit (Premium) keeps records for a year, and for ten with an
/// add-on.
const GAP: [HumanDuration; 2] = [HumanDuration::from_days(8), HumanDuration::from_days(3_653)];

/// Microsoft Graph of other clouds.
const OTHER_CLOUDS: [&str; 3] = ["graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"];

const ENDPOINT: &str = "https://graph.microsoft.com";

/// Compares what was delivered with what the audit search of Microsoft Graph finds, and fetches what is missing. Needs the permission
/// `AuditLogsQuery.Read.All` of Microsoft Graph. In Microsoft's global cloud only.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSearchConfig {
    /// When days are compared.
    pub verify: VerifyRhythm,
    /// Whether events are delivered that the search finds and that were not delivered before, also those of outages that lasted longer
    /// than Microsoft lists content.
    pub heal: bool,
    /// How many queries are created for each tenant in 24 hours. Microsoft takes 200, of all applications together; the rest is for
    /// others. Unit: queries per tenant and 24 hours.
    #[schemars(range(min = BUDGET.min, max = BUDGET.max), extend("x-unit" = "queries per tenant and 24 hours"))]
    pub budget_per_day: u32,
    /// How far back outages are healed, and days are compared, by themselves. The audit search reaches back 180 days, a year with Purview
    /// Audit (Premium).
    #[schemars(extend("x-unit" = "duration"))]
    pub max_gap: HumanDuration,
    /// The origin of Microsoft Graph, such as that of a proxy. Plain http is accepted for loopback addresses only. Default: that of
    /// Microsoft's global cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &ENDPOINT)]
    pub endpoint: Option<Url>,
}

/// When days are compared with the audit search.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyRhythm {
    /// Only when somebody asks, with `office365-source verify`.
    Off,
    /// Each day (UTC) of each tenant, once it is 72 hours old.
    #[default]
    Daily,
}

impl Default for AuditSearchConfig {
    fn default() -> Self {
        Self {
            verify: VerifyRhythm::default(),
            heal: true,
            budget_per_day: 100,
            max_gap: HumanDuration::from_days(180),
            endpoint: None,
        }
    }
}

impl AuditSearchConfig {
    /// What a token is asked for: Microsoft Graph, also behind another `endpoint`, because Microsoft Entra knows no other.
    pub const RESOURCE: &str = ENDPOINT;

    /// The origin of Microsoft Graph; the only one that its tokens may be sent to.
    pub fn endpoint(&self) -> Url {
        self.endpoint.clone().unwrap_or_else(default_endpoint)
    }

    /// Whether a cloud has the audit search (Microsoft's page of `auditLogQuery`, "national cloud deployments").
    pub const fn is_in(cloud: Cloud) -> bool {
        matches!(cloud, Cloud::Enterprise | Cloud::Gcc)
    }

    /// The host of [`endpoint`](Self::endpoint), if it is Microsoft Graph of a national cloud (Microsoft's page "National cloud
    /// deployments").
    pub fn of_another_cloud(&self) -> Option<&str> {
        let host = self.endpoint.as_ref()?.host_str()?;
        OTHER_CLOUDS.contains(&host).then_some(host)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        BUDGET.check(problems, "audit_search.budget_per_day", self.budget_per_day.into());
        let [shortest, longest] = GAP;
        if self.max_gap < shortest || self.max_gap > longest {
            problems.add(
                "audit_search.max_gap",
                format!("{} is out of range", self.max_gap),
                format!(
                    "Write a duration from \"{shortest}\" to \"{longest}\", such as max_gap = \"180d\", as far back as the audit search \
                     reaches. A day may wait for eight days until it is compared."
                ),
            );
        }
        if let Some(url) = &self.endpoint {
            origin::check(problems, "audit_search.endpoint", url, ENDPOINT);
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant, which a test reads")]
fn default_endpoint() -> Url {
    Url::parse(ENDPOINT).expect("a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_as_documented() {
        let config = AuditSearchConfig::default();
        assert_eq!(config.endpoint().as_str(), "https://graph.microsoft.com/");
        assert_eq!((config.verify, config.heal, config.budget_per_day), (VerifyRhythm::Daily, true, 100));
        assert!(AuditSearchConfig::is_in(Cloud::Gcc) && !AuditSearchConfig::is_in(Cloud::GccHigh));
    }
}
