//! What `validate` shows of mode "webhook".

use crate::config::{SecretRef, WebhookConfig};

/// What is configured, for a human to compare with what was meant.
pub(super) fn summary(webhook: &WebhookConfig) -> Vec<String> {
    let mut lines = vec![format!("  listener: {}, path {}", webhook.listen, webhook.path)];
    lines.extend(webhook.public_url().map(|url| format!("  public URL: {url}")));
    let auth_id =
        webhook.auth_id.as_ref().map_or_else(|| "a random one, kept in the ledger".to_owned(), SecretRef::place);
    lines.push(format!("  AuthID: {auth_id}"));
    lines.push(format!("  TLS: {}", tls(webhook)));
    lines.push(format!("  allowed sources: {}", list(&webhook.allowed_sources, "any")));
    lines.extend(webhook.service_tags_file.iter().map(|file| format!("  service tags: {}", file.display())));
    lines.push(format!("  trusted proxies: {}", list(&webhook.trusted_proxies, "none")));
    lines.push(format!("  expiration: {}", webhook.expiration));
    lines.push(format!("  reconciliation: every {} seconds", webhook.reconcile_interval_secs));
    lines
}

fn tls(webhook: &WebhookConfig) -> String {
    let tls = &webhook.tls;
    let (Some(crt_file), Some(key_file)) = (&tls.crt_file, &tls.key_file) else {
        return "none, plain HTTP from a proxy".to_owned();
    };
    let client = tls.client_ca_file.as_ref().map(|file| {
        let names = tls.client_names.join(" or ");
        format!(", client certificates of {names} by {}", file.display())
    });
    format!("certificate {}, key {}{}", crt_file.display(), key_file.display(), client.unwrap_or_default())
}

fn list<T: ToString>(items: &[T], none: &str) -> String {
    if items.is_empty() { none.to_owned() } else { items.iter().map(T::to_string).collect::<Vec<_>>().join(", ") }
}
