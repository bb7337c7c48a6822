//! Microsoft's clouds and the hosts that belong to each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Sources: Microsoft's Management Activity API reference ("Activity API operations": the root per plan) for the API
// hosts, and "Microsoft Entra authentication & national clouds" for the login hosts. The reference does not list the cloud
// that 21Vianet operates in China; its hosts are those of "Office 365 operated by 21Vianet" (endpoints) and of the national
// clouds' page. Not in the documentation comment, which users read as the description in the schema.
/// The Microsoft cloud that holds the tenants.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Microsoft 365 and Office 365 Enterprise plans, worldwide: manage.office.com, login.microsoftonline.com.
    #[default]
    Enterprise,
    /// Microsoft 365 GCC government plans: manage-gcc.office.com, login.microsoftonline.com.
    Gcc,
    /// Microsoft 365 GCC High government plans: manage.office365.us, login.microsoftonline.us.
    GccHigh,
    /// Microsoft 365 DoD government plans: manage.protection.apps.mil, login.microsoftonline.us.
    Dod,
    /// Microsoft 365 operated by 21Vianet in China: manage.office365.cn, login.partner.microsoftonline.cn. Microsoft's reference of
    /// the API does not list it.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 5] = [Self::Enterprise, Self::Gcc, Self::GccHigh, Self::Dod, Self::China];

    /// The name that a configuration uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::Gcc => "gcc",
            Self::GccHigh => "gcc_high",
            Self::Dod => "dod",
            Self::China => "china",
        }
    }

    /// The origin of the Management Activity API; also the resource that a token is asked for.
    pub const fn api_endpoint(self) -> &'static str {
        match self {
            Self::Enterprise => "https://manage.office.com",
            Self::Gcc => "https://manage-gcc.office.com",
            Self::GccHigh => "https://manage.office365.us",
            Self::Dod => "https://manage.protection.apps.mil",
            Self::China => "https://manage.office365.cn",
        }
    }

    /// The origin of Microsoft Entra's token endpoint.
    pub const fn authority(self) -> &'static str {
        match self {
            Self::Enterprise | Self::Gcc => "https://login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// The cloud whose API has this host.
    pub(super) fn of_api_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.api_endpoint().strip_prefix("https://") == Some(host))
    }
}

/// The two shapes of Microsoft Entra's token request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenVersion {
    /// `/oauth2/token`, which takes `resource`.
    V1,
    /// `/oauth2/v2.0/token`, which takes `scope`.
    V2,
}
