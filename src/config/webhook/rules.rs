//! What mode "webhook" needs, and what contradicts itself there.

use super::{PUBLIC_URL, WebhookConfig};
use crate::config::error::Problems;

impl WebhookConfig {
    /// Adds what keeps the listener from running; for mode "webhook" only.
    pub(in crate::config) fn check_rules(&self, problems: &mut Problems) {
        if self.public_url.is_none() {
            problems.add(
                "webhook.public_url",
                "is missing, and mode = \"webhook\" needs it",
                format!(
                    "Write the URL under which Microsoft reaches the listener, such as public_url = \"{PUBLIC_URL}\"."
                ),
            );
        }
        if self.service_tags_file.is_none()
            && let Some(tag) = self.service_tags().next()
        {
            problems.add(
                "webhook.service_tags_file",
                format!("is missing, and allowed_sources has \"service_tag:{tag}\""),
                "Download \"Azure IP Ranges and Service Tags\" from Microsoft and write its path, such as \
                 service_tags_file = \"/etc/office365-source/ServiceTags_Public.json\"; or write networks instead of the tag.",
            );
        }
        if self.tls.enabled { self.check_tls(problems) } else { self.check_plaintext(problems) }
    }

    fn check_tls(&self, problems: &mut Problems) {
        for (key, file, extension, what) in [
            ("crt_file", &self.tls.crt_file, "crt", "certificate, followed by its intermediates"),
            ("key_file", &self.tls.key_file, "key", "private key of the certificate"),
        ] {
            if file.is_none() {
                problems.add(
                    &format!("webhook.tls.{key}"),
                    "is missing, and TLS needs it",
                    format!(
                        "Write {key} = \"/etc/office365-source/webhook.{extension}\", a PEM file with the {what}; or \
                         enabled = false behind a proxy that terminates TLS."
                    ),
                );
            }
        }
    }

    fn check_plaintext(&self, problems: &mut Problems) {
        for (key, file) in self.tls.files() {
            if file.is_some() {
                problems.add(
                    &format!("webhook.tls.{key}"),
                    "stands beside enabled = false, with which nothing reads it",
                    format!("Remove {key}, or write enabled = true."),
                );
            }
        }
        if !self.listens_on_loopback() && !self.tls.allow_plaintext {
            let port = self.listen.port();
            problems.add(
                "webhook.listen",
                format!("{} would take notifications in the clear from other machines", self.listen),
                format!(
                    "Write listen = \"127.0.0.1:{port}\" for a proxy on this machine, or tls.enabled = true; or \
                     tls.allow_plaintext = true for a proxy that reaches this machine over a network of your own."
                ),
            );
        }
    }
}
