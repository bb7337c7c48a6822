//! What may be meant and may not: said by `validate`, never refused.

use super::{WebhookConfig, WebhookTlsConfig};
use crate::config::{
    error::{ConfigError, Problems},
    origin,
};

impl WebhookConfig {
    /// What is to be said about a listener that can run as it is configured. `path` is where this block is, such as
    /// `sources.m365.webhook`.
    pub fn hints(&self, path: &str) -> Vec<ConfigError> {
        let mut hints = Problems::below(path);
        self.hint_at_url(&mut hints);
        self.hint_at_sources(&mut hints);
        self.hint_at_tls(&mut hints);
        hints.into_vec()
    }

    fn hint_at_url(&self, hints: &mut Problems) {
        let Some(url) = &self.public_url else { return };
        if origin::is_loopback(url) {
            hints.add(
                "public_url",
                "is an address of this machine, which the simulator can reach but not Microsoft",
                "",
            );
        }
        let (public, path) = (url.path(), self.path.as_str());
        if path.strip_suffix('/') == Some(public) {
            hints.add(
                "public_url",
                format!("its path {public:?} lacks the `/` at the end that path = {path:?} has"),
                "Add it, unless a proxy in front does.",
            );
        } else if public != path {
            hints.add(
                "public_url",
                format!("its path {public:?} is not path = {path:?}"),
                "That works only if a proxy in front turns the one into the other.",
            );
        }
    }

    fn hint_at_sources(&self, hints: &mut Problems) {
        if self.allowed_sources.is_empty() {
            hints.add(
                "allowed_sources",
                "is empty: anyone who knows the AuthID may send notifications, which is usual",
                "To let in Microsoft's addresses only, write allowed_sources = \
                 [\"service_tag:M365ManagementActivityApiWebhook\"] and service_tags_file.",
            );
        }
        if self.service_tags_file.is_some() && self.service_tags().next().is_none() {
            hints.add(
                "service_tags_file",
                "has no effect: allowed_sources has no service tag",
                "Write allowed_sources = [\"service_tag:M365ManagementActivityApiWebhook\"], or remove the key.",
            );
        }
        if !self.tls.enabled && self.trusted_proxies.is_empty() {
            hints.add(
                "trusted_proxies",
                "is empty, and so all notifications count as sent by the proxy that terminates TLS",
                "Write its address, such as trusted_proxies = [\"127.0.0.1\"], for limits and allowed_sources to be \
                 about who sent them.",
            );
        }
        for (index, network) in self.trusted_proxies.iter().enumerate() {
            if network.get().prefix_len() == 0 {
                hints.add(
                    &format!("trusted_proxies[{index}]"),
                    format!("{network} is every address: anyone can write any sender into X-Forwarded-For"),
                    "Write the addresses of the proxies.",
                );
            }
        }
    }

    fn hint_at_tls(&self, hints: &mut Problems) {
        let WebhookTlsConfig { enabled, client_ca_file, client_names, allow_plaintext, .. } = &self.tls;
        if !*enabled {
            hints.add(
                "tls.enabled",
                format!("is false: notifications and the AuthID arrive at {} in the clear", self.listen),
                "A proxy in front must terminate TLS, since Microsoft speaks https only.",
            );
        }
        if *allow_plaintext && (*enabled || self.listens_on_loopback()) {
            hints.add(
                "tls.allow_plaintext",
                "has no effect: it is for enabled = false with a listen address that is not a loopback address",
                "Remove it.",
            );
        }
        if client_ca_file.is_none() && *client_names != WebhookTlsConfig::default().client_names {
            hints.add(
                "tls.client_names",
                "has no effect without client_ca_file, since no client certificate is asked for",
                "Write client_ca_file, or remove the key.",
            );
        }
    }
}
