//! What kind of world to simulate.

use std::{ops::RangeInclusive, time::Duration};

use uuid::Uuid;

use super::{Faults, GraphConfig, graph};
use crate::content::{ContentType, TenantId};

/// Everything a simulator is built from. The default suits tests: one tenant, a little content, no faults.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches that have nothing to do with each other")]
pub struct SimulatorConfig {
    /// The organisations that exist.
    pub tenants: Vec<SimulatedTenant>,
    /// What every random choice follows from.
    pub seed: u64,
    /// Entries in one page of a listing.
    pub page_size: usize,
    /// The quota of each tenant. Microsoft's baseline is 2,000 (MSREF, "API throttling").
    pub requests_per_minute: u32,
    /// How long an access token lives. Tokens of real tenants live for about an hour (MSGS).
    pub token_lifetime: Duration,
    /// The resources a token can be asked for, without a trailing slash. Entra refuses any other.
    pub resources: Vec<String>,
    /// From `contentCreated` to `contentExpiration`: documented as 7 days (MSREF), measured as about 20 (G2O).
    pub retention: Duration,
    /// How much further back than 7 days a listing may start. Zero is what Microsoft documents; the real service
    /// tolerates another hour (FB).
    pub lookback_tolerance: Duration,
    /// How long after a start request the next one for the same content type is refused (MSREF: 15 minutes).
    pub start_interval: Duration,
    /// Whether a request without exactly one `PublisherIdentifier` is throttled, as MSTRB reports, or only recorded.
    pub strict_publisher: bool,
    /// Whether `NextPageUri` repeats the caller's `PublisherIdentifier`. MSREF's sample does not.
    pub next_page_repeats_publisher: bool,
    /// How a lack of permission is reported.
    pub denial: Denial,
    /// The audit search of Microsoft Graph.
    pub graph: GraphConfig,
    /// Content that exists when the simulator starts.
    pub backlog: Backlog,
    /// Content that appears as time passes.
    pub live: Option<Live>,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether to compress for clients that accept gzip.
    pub gzip: bool,
    /// Whether a webhook's address may begin with `http://`: for a listener whose TLS ends at a proxy in front of it. The
    /// service takes none but `https://` (MSREF).
    pub allow_plain_webhooks: bool,
    /// How long a webhook may take to answer. Microsoft names no time; 5 seconds is what a public receiver of these
    /// notifications reckons with.
    pub webhook_timeout: Duration,
    /// Blobs named in one notification at most. MSREF says that there is a limit, and that it might change.
    pub notification_batch: usize,
    /// How often the service looks for content to announce.
    pub notification_interval: Duration,
    /// The wait after the first failure of a webhook, and the longest: each is twice the one before. MSREF says that waits
    /// grow exponentially and gives no numbers.
    pub notification_retry: RangeInclusive<Duration>,
    /// How many notifications in a row a webhook may fail before it is disabled. MSREF says that it is, not after how many.
    pub webhook_disabled_after: u32,
    /// Whether administrators of organisations other than the application's own can consent to it. Its own is the first
    /// tenant with its `client_id`.
    pub multi_tenant_app: bool,
}

/// An organisation with one app registration.
#[derive(Clone, Debug)]
pub struct SimulatedTenant {
    /// The directory id.
    pub id: TenantId,
    /// The verified domain of its users; the token endpoint takes it in place of the id.
    pub domain: String,
    /// The application (client) id of the collector's app registration.
    pub client_id: Uuid,
    /// Its secret.
    pub client_secret: String,
    /// The certificates (DER) that were uploaded for it. Without any, assertions are taken by their claims alone.
    pub certificates: Vec<Vec<u8>>,
    /// The subject tokens of its federated credentials that are good now.
    pub federated_tokens: Vec<String>,
    /// The content types for which this tenant produces content.
    pub content_types: Vec<ContentType>,
    /// The application permissions of the Management Activity API that an administrator consented to.
    pub roles: Vec<String>,
    /// Those of Microsoft Graph.
    pub graph_roles: Vec<String>,
    /// Since how long before the simulator's start every content type has been subscribed to. `None`: never.
    pub subscribed_since: Option<Duration>,
    /// Whether an administrator has consented to the application when the simulator starts. Without consent the directory
    /// does not know it: AADSTS700016.
    pub consented: bool,
}

/// Content older than the simulator, spread evenly over a period that ends when the simulator starts.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// How far back the oldest blob reaches.
    pub reaches_back: Duration,
    /// Blobs in each feed. They are computed when asked for, so a large number costs nothing.
    pub blobs_per_feed: u64,
    /// Events in each blob.
    pub events_per_blob: RangeInclusive<u32>,
}

/// Content that each feed gains while the simulator runs.
#[derive(Clone, Debug)]
pub struct Live {
    /// The time between two blobs of one feed.
    pub every: Duration,
    /// Events in each blob.
    pub events_per_blob: RangeInclusive<u32>,
}

/// How the API informs a caller that its token lacks the permission for a content type. Both are reported from the field.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Denial {
    /// 401 with the code AF10001 (OfficeDev/O365-InvestigationTooling#34).
    #[default]
    Coded,
    /// 401 with an empty body (CEL's mock server; elastic/integrations#20104).
    Bare,
}

impl SimulatorConfig {
    /// Two organisations with all content types, a few hours of backlog and a steady trickle of new content.
    pub fn demo() -> Self {
        // One application that both have consented to, as a service provider's is.
        let contoso = SimulatedTenant::contoso();
        let fabrikam = SimulatedTenant {
            client_id: contoso.client_id,
            client_secret: contoso.client_secret.clone(),
            ..SimulatedTenant::fabrikam()
        };
        Self {
            tenants: vec![contoso, fabrikam],
            page_size: 20,
            backlog: Backlog { reaches_back: Duration::from_hours(6), blobs_per_feed: 40, events_per_blob: 1..=30 },
            live: Some(Live { every: Duration::from_secs(20), events_per_blob: 1..=8 }),
            ..Self::default()
        }
    }

    pub(super) fn tenant(&self, id: TenantId) -> Option<&SimulatedTenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            tenants: vec![SimulatedTenant::contoso()],
            seed: 365,
            page_size: 200,
            requests_per_minute: 2000,
            token_lifetime: Duration::from_secs(3599),
            // The Management Activity API of each cloud (MSREF, "Activity API operations"), and Microsoft Graph.
            resources: [
                "https://manage.office.com",
                "https://manage-gcc.office.com",
                "https://manage.office365.us",
                "https://manage.protection.apps.mil",
                graph::RESOURCE,
            ]
            .map(str::to_owned)
            .to_vec(),
            retention: Duration::from_hours(7 * 24),
            lookback_tolerance: Duration::ZERO,
            start_interval: Duration::from_mins(15),
            strict_publisher: true,
            next_page_repeats_publisher: false,
            denial: Denial::default(),
            graph: GraphConfig::default(),
            backlog: Backlog { reaches_back: Duration::from_hours(3), blobs_per_feed: 12, events_per_blob: 1..=6 },
            live: None,
            faults: Faults::default(),
            gzip: true,
            allow_plain_webhooks: false,
            webhook_timeout: Duration::from_secs(5),
            notification_batch: 5,
            notification_interval: Duration::from_secs(1),
            notification_retry: Duration::from_secs(10)..=Duration::from_hours(1),
            webhook_disabled_after: 12,
            multi_tenant_app: true,
        }
    }
}

impl SimulatedTenant {
    /// A tenant with all content types and permissions, never subscribed. Its secret is `secret-of-<domain>`.
    pub fn new(id: TenantId, client_id: Uuid, domain: &str) -> Self {
        Self {
            id,
            domain: domain.to_owned(),
            client_id,
            client_secret: format!("secret-of-{domain}"),
            certificates: Vec::new(),
            federated_tokens: Vec::new(),
            content_types: ContentType::ALL.to_vec(),
            roles: vec!["ActivityFeed.Read".to_owned(), "ActivityFeed.ReadDlp".to_owned()],
            graph_roles: vec!["AuditLogsQuery.Read.All".to_owned()],
            subscribed_since: None,
            consented: true,
        }
    }

    /// The first demonstration tenant, `contoso.com`.
    pub fn contoso() -> Self {
        Self::new(
            TenantId(Uuid::from_u128(0x0a54_d1c5_7a10_4c5e_9d3f_c047_0500_0001)),
            Uuid::from_u128(0x1b8e_2f60_33d7_4e0b_8c44_c047_0500_00a1),
            "contoso.com",
        )
    }

    /// The second demonstration tenant, `fabrikam.com`.
    pub fn fabrikam() -> Self {
        Self::new(
            TenantId(Uuid::from_u128(0x0f4b_81ca_52b6_4d19_a6e2_fab2_1ca0_0002)),
            Uuid::from_u128(0x2c9f_3a71_44e8_4f1c_9d55_fab2_1ca0_00b2),
            "fabrikam.com",
        )
    }

    /// The same tenant with subscriptions that were enabled `ago` before the simulator's start.
    pub fn subscribed_since(mut self, ago: Duration) -> Self {
        self.subscribed_since = Some(ago);
        self
    }
}
