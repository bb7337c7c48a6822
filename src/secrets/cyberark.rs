//! Secrets in CyberArk.
//!
//! The Central Credential Provider's REST service: `GET …/AIMWebService/api/Accounts?AppID=…&Safe=…&Folder=…&Object=…` answers
//! with the account's `Content`, or with `ErrorCode` and `ErrorMsg`. The Credential Provider's command:
//! `clipasswordsdk GetPassword -p AppDescs.AppID=… -p Query="Safe=…;Folder=…;Object=…" -o Password`. Both as CyberArk's
//! "Credential Providers" documentation has them.

use http::{HeaderMap, Method};
use serde_json::Value;
use url::Url;

use super::{
    command::run,
    error::{SecretError, ServiceProblem},
    service::{Service, said},
};
use crate::config::{CyberarkCcpSecret, CyberarkCpSecret};

const ADVICE: &str = "Check app_id and the machines or certificates that CyberArk allows it, and that the application and the \
                      provider's user are members of the safe that may list and retrieve its accounts.";

/// The way to the Central Credential Provider.
pub(super) fn service<'a>(secret: &'a CyberarkCcpSecret, key: &'a str) -> Result<Service<'a>, SecretError> {
    let identity = secret.crt_file.clone().zip(secret.key_file.clone());
    Service::new(key, ("CyberArk", "cyberark_ccp"), &secret.url, secret.ca_file.clone(), identity)
}

/// Asks the Central Credential Provider.
pub(super) async fn read_ccp(secret: &CyberarkCcpSecret, key: &str) -> Result<String, SecretError> {
    let service = service(secret, key)?;
    let answer = service.ask(Method::GET, accounts_url(secret), HeaderMap::new(), None).await?;
    let text = |name: &str| answer.body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    let error = |code: &str| said(&[code, text("ErrorMsg").unwrap_or_default()].join(" "), &[]);
    let status = answer.status;
    // Errors of its own come with status 500 as well.
    match (text("ErrorCode"), text("Content")) {
        (Some(code), _) => {
            Err(service.problem(ServiceProblem::Refused { status, said: error(code), advice: ADVICE.to_owned() }))
        }
        (None, Some(content)) if status.is_success() => Ok(content.to_owned()),
        (None, _) if answer.is_busy() => Err(service.problem(ServiceProblem::Busy { status, said: String::new() })),
        (None, _) if status.is_client_error() => {
            let advice = format!("Check that url leads to CyberArk's web service. {ADVICE}");
            Err(service.problem(ServiceProblem::Refused { status, said: String::new(), advice }))
        }
        (None, _) => Err(service.problem(ServiceProblem::Foreign {
            expected: "an account",
            status,
            advice: "Check that url leads to CyberArk's web service, such as https://ccp.contoso.com/AIMWebService.",
        })),
    }
}

fn accounts_url(secret: &CyberarkCcpSecret) -> Url {
    let mut url = secret.url.clone();
    let path = url.path().trim_end_matches('/');
    let path = match path {
        "" => "/AIMWebService/api/Accounts".to_owned(),
        path if path.to_ascii_lowercase().ends_with("/api/accounts") => path.to_owned(),
        path => format!("{path}/api/Accounts"),
    };
    url.set_path(&path);
    let criteria =
        [("Safe", &secret.safe), ("Folder", &secret.folder), ("Object", &secret.object), ("Query", &secret.query)];
    url.query_pairs_mut()
        .clear()
        .append_pair("AppID", &secret.app_id)
        .extend_pairs(criteria.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
    url
}

/// Asks the Credential Provider on this machine.
pub(super) async fn read_cp(secret: &CyberarkCpSecret, key: &str) -> Result<String, SecretError> {
    let CyberarkCpSecret { app_id, safe, folder, object, cli_path } = secret;
    let program = cli_path.to_string_lossy().into_owned();
    let arguments = [
        "GetPassword".to_owned(),
        "-p".to_owned(),
        format!("AppDescs.AppID={app_id}"),
        "-p".to_owned(),
        format!("Query=Safe={safe};Folder={folder};Object={object}"),
        "-o".to_owned(),
        "Password".to_owned(),
    ];
    run(&program, &arguments).await.map_err(|problem| SecretError::Command { key: key.to_owned(), program, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_may_have_the_web_service_s_path() {
        let url = |url: &str| {
            let secret = CyberarkCcpSecret {
                url: url.parse().unwrap(),
                app_id: "a b".to_owned(),
                safe: Some("S&P".to_owned()),
                folder: None,
                object: Some("o=1".to_owned()),
                query: None,
                ca_file: None,
                crt_file: None,
                key_file: None,
            };
            accounts_url(&secret).to_string()
        };
        let query = "?AppID=a+b&Safe=S%26P&Object=o%3D1";
        assert_eq!(url("https://ccp"), format!("https://ccp/AIMWebService/api/Accounts{query}"));
        assert_eq!(url("https://ccp/Other/"), format!("https://ccp/Other/api/Accounts{query}"));
        assert_eq!(url("https://ccp/Other/api/Accounts"), format!("https://ccp/Other/api/Accounts{query}"));
    }
}
