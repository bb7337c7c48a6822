//! The form of the values, which counts in every mode: a block that waits for its mode must be usable when it comes.

use std::path::Path;

use secrecy::ExposeSecret;
use url::Url;

use super::{
    AUTH_ID_VARIABLE, PUBLIC_URL, RECONCILE, WebhookConfig, WebhookExpiration,
    auth_id::{NO_HEADER, fits_header},
};
use crate::config::{HumanDuration, LocalSecret, SecretRef, error::Problems, origin};

impl WebhookConfig {
    /// Adds what is wrong with single values, and with values that do not fit each other.
    pub(in crate::config) fn check_form(&self, problems: &mut Problems) {
        check_path(&self.path, problems);
        if let Some(url) = &self.public_url {
            check_public_url(url, problems);
        }
        if let Some(auth_id) = &self.auth_id {
            auth_id.check(problems, "webhook.auth_id", AUTH_ID_VARIABLE);
            if let SecretRef::Local(LocalSecret::Inline(text)) = auth_id
                && !text.expose_secret().trim().is_empty()
                && !fits_header(text.expose_secret().trim_end_matches(['\r', '\n']))
            {
                problems.add("webhook.auth_id", NO_HEADER, "Write letters and digits, or leave the key out.");
            }
        }
        RECONCILE.check(problems, "webhook.reconcile_interval_secs", self.reconcile_interval_secs);
        self.check_expiration(problems);
        check_file(problems, "service_tags_file", self.service_tags_file.as_deref());
        for (key, path) in self.tls.files() {
            check_file(problems, &format!("tls.{key}"), path.map(AsRef::as_ref));
        }
        check_client_names(&self.tls.client_names, problems);
        self.limits.check(problems);
    }

    /// Less than four times the reconciliation would leave no time to renew it when Microsoft is down for a while.
    fn check_expiration(&self, problems: &mut Problems) {
        let WebhookExpiration::After(duration) = self.expiration else { return };
        let key = "webhook.expiration";
        let least = HumanDuration::from_secs(self.reconcile_interval_secs.saturating_mul(4));
        if !(HumanDuration::from_hours(1)..=HumanDuration::from_days(365)).contains(&duration) {
            problems.add(
                key,
                format!("{duration} is out of range"),
                "Write expiration = \"never\", or a duration from \"1h\" to \"365d\", such as expiration = \"30d\".",
            );
        } else if duration < least {
            problems.add(
                key,
                format!(
                    "{duration} is less than four times reconcile_interval_secs ({})",
                    HumanDuration::from_secs(self.reconcile_interval_secs)
                ),
                format!("Write expiration = \"{least}\" or more, or a smaller reconcile_interval_secs."),
            );
        }
    }
}

fn check_path(path: &str, problems: &mut Problems) {
    let key = "webhook.path";
    let help = "Write the path alone, such as path = \"/wh/o365/\": letters, digits, `/`, `-`, `_`, `.` and `~`.";
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~'));
    if !path.starts_with('/') {
        problems.add(key, format!("{path:?} does not begin with `/`"), help);
    } else if path.contains(['?', '#']) {
        problems.add(key, format!("{path:?} has a query or fragment"), help);
    } else if !plain {
        problems.add(key, format!("{path:?} has characters that no plain path has"), help);
    } else if path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        // Proxies and clients rewrite these on the way.
        problems.add(key, format!("{path:?} has `//`, `.` or `..` in it"), help);
    }
}

/// The value itself is left out of the messages: a user name and password may stand in it.
fn check_public_url(url: &Url, problems: &mut Problems) {
    let key = "webhook.public_url";
    let help =
        format!("Write the URL under which Microsoft reaches the listener, such as public_url = \"{PUBLIC_URL}\".");
    match url.scheme() {
        "https" => {}
        "http" if origin::is_loopback(url) => {}
        "http" => problems.add(
            key,
            "is plain http, which Microsoft sends no notifications to",
            format!("{help} Plain http is accepted for 127.0.0.0/8, ::1 and localhost only."),
        ),
        _ => problems.add(key, "is not an https URL", help.as_str()),
    }
    if url.cannot_be_a_base() || url.host().is_none() {
        problems.add(key, "has no host", help);
        return;
    }
    if !url.username().is_empty() || url.password().is_some() {
        problems.add(
            key,
            "has a user name or password in it",
            format!("{help} What tells Microsoft apart from others is webhook.auth_id."),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        problems.add(key, "has a query or fragment", help);
    }
}

fn check_file(problems: &mut Problems, key: &str, path: Option<&Path>) {
    if path.is_some_and(|path| path.as_os_str().is_empty()) {
        problems.add(&format!("webhook.{key}"), "is empty", "Write the path of a file, or leave the key out.");
    }
}

fn check_client_names(names: &[String], problems: &mut Problems) {
    let key = "webhook.tls.client_names";
    if names.is_empty() {
        problems.add(
            key,
            "is empty, and would let in every certificate that the authorities of client_ca_file have ever signed",
            "Write client_names = [\"manage.office.com\"], or leave the key out.",
        );
    }
    for (index, name) in names.iter().enumerate() {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if !plain || name.is_empty() || name.starts_with(['.', '-']) || name.len() > 253 {
            problems.add(
                &format!("{key}[{index}]"),
                format!("{name:?} is not a host name"),
                "Write names as certificates have them, such as client_names = [\"manage.office.com\"].",
            );
        }
    }
}
