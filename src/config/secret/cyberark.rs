//! Secrets in CyberArk: by its Central Credential Provider (REST) and by the Credential Provider on this machine.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{error::Problems, origin};

/// What separates the criteria of a query, so that no name may hold it.
const SEPARATORS: [char; 3] = [';', '\n', '\r'];

/// An account that CyberArk's Central Credential Provider gives out (`GET …/api/Accounts`).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CyberarkCcpSecret {
    /// The provider's address. Without a path, `/AIMWebService` is meant.
    #[schemars(example = &"https://ccp.contoso.com")]
    pub url: Url,
    /// The application that may read the account.
    #[schemars(example = &"office365-source")]
    pub app_id: String,
    /// The safe that holds the account. Needed with `object`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"M365")]
    pub safe: Option<String>,
    /// The folder within the safe. Default: the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Root")]
    pub folder: Option<String>,
    /// The name of the account. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"office365-source-client-secret")]
    pub object: Option<String>,
    /// Criteria that exactly one account meets, in place of `safe`, `folder` and `object`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Safe=M365;UserName=office365-source")]
    pub query: Option<String>,
    /// A PEM file of certificate authorities to trust besides the system's. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/ccp-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate by which the provider knows this application. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/ccp.crt")]
    pub crt_file: Option<PathBuf>,
    /// A PEM file with that certificate's key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/ccp.key")]
    pub key_file: Option<PathBuf>,
}

/// An account that CyberArk's Credential Provider on this machine gives out (`CLIPasswordSDK GetPassword`).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CyberarkCpSecret {
    /// The application that may read the account.
    #[schemars(example = &"office365-source")]
    pub app_id: String,
    /// The safe that holds the account.
    #[schemars(example = &"M365")]
    pub safe: String,
    /// The folder within the safe.
    #[serde(default = "root")]
    pub folder: String,
    /// The name of the account.
    #[schemars(example = &"office365-source-client-secret")]
    pub object: String,
    /// The provider's command. Default: where its installer puts it, `/opt/CARKaim/sdk/clipasswordsdk`.
    #[serde(default = "cli_path")]
    pub cli_path: PathBuf,
}

fn root() -> String {
    "Root".to_owned()
}

fn cli_path() -> PathBuf {
    PathBuf::from("/opt/CARKaim/sdk/clipasswordsdk")
}

impl CyberarkCcpSecret {
    pub(super) fn check(&self, problems: &mut Problems, key: &str) {
        let key = format!("{key}.cyberark_ccp");
        origin::check_service(problems, &format!("{key}.url"), &self.url, "https://ccp.contoso.com");
        check_name(problems, &format!("{key}.app_id"), &self.app_id);
        match (&self.object, &self.query) {
            (Some(object), None) => {
                check_name(problems, &format!("{key}.object"), object);
                match &self.safe {
                    Some(safe) => check_name(problems, &format!("{key}.safe"), safe),
                    None => problems.add(
                        &format!("{key}.safe"),
                        "is missing, and an object is known by its safe",
                        "Write safe = \"M365\", the safe that holds the account.",
                    ),
                }
                if let Some(folder) = &self.folder {
                    check_name(problems, &format!("{key}.folder"), folder);
                }
            }
            (None, Some(query)) if query.trim().is_empty() => {
                problems.add(&format!("{key}.query"), "is empty", "Write query = \"Safe=M365;UserName=…\".");
            }
            (None, Some(_)) if self.safe.is_some() || self.folder.is_some() => problems.add(
                &format!("{key}.query"),
                "stands beside safe or folder, which CyberArk does not look at then",
                "Write them into the query: query = \"Safe=M365;UserName=…\".",
            ),
            (None, Some(_)) => {}
            (None, None) => problems.add(
                &format!("{key}.object"),
                "is missing, and there is no query",
                "Write object = \"the account's name\", or query = \"Safe=M365;UserName=…\".",
            ),
            (Some(_), Some(_)) => problems.add(
                &format!("{key}.query"),
                "stands beside object",
                "Keep the one that is to be used, and remove the other.",
            ),
        }
        origin::check_identity(problems, &key, self.crt_file.as_deref(), self.key_file.as_deref());
    }
}

impl CyberarkCpSecret {
    pub(super) fn check(&self, problems: &mut Problems, key: &str) {
        let key = format!("{key}.cyberark_cp");
        for (name, value) in
            [("app_id", &self.app_id), ("safe", &self.safe), ("folder", &self.folder), ("object", &self.object)]
        {
            check_name(problems, &format!("{key}.{name}"), value);
        }
        if self.cli_path.as_os_str().is_empty() {
            problems.add(&format!("{key}.cli_path"), "is empty", "Write the path of clipasswordsdk.");
        }
    }
}

fn check_name(problems: &mut Problems, key: &str, value: &str) {
    if value.trim().is_empty() {
        problems.add(key, "is empty", "Write the name as CyberArk shows it.");
    } else if value.contains(SEPARATORS) {
        problems.add(
            key,
            "has a semicolon or a line end, which ends a name in CyberArk's queries",
            "Write the name as CyberArk shows it.",
        );
    }
}
