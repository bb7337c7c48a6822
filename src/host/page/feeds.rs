//! Collection: tenants and content types.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::{
    Page,
    parts::{counted, duration, figures, number, sparkline},
};
use crate::{
    component::ComponentKey,
    content::{Feed, TenantId},
    telemetry::{FeedProgress, Progress, WebhookProgress},
};

pub(super) fn body(page: &Page, now: DateTime<Utc>) -> Markup {
    html! {
        @for (key, progress) in &page.sources {
            (source(page, key, progress, now))
        }
    }
}

fn source(page: &Page, key: &ComponentKey, progress: &Progress, now: DateTime<Utc>) -> Markup {
    let (totals, feeds) = (progress.totals(), progress.feeds());
    let failing = feeds.values().filter(|feed| feed.problem.is_some()).count() as u64;
    let has_webhooks = feeds.values().any(|feed| feed.webhook.is_some());
    html! {
        section.wide {
            h3 { "Source " (key) }
            @if let Some(missing) = progress.missing() {
                p.bad role="alert" { "Not ready: " (missing) }
            }
            (figures(&[
                ("Feeds with a problem", format!("{} of {}", number(failing), number(feeds.len() as u64))),
                ("Events delivered", number(totals.events_delivered)),
                ("Content blobs delivered", number(totals.blobs_delivered)),
                ("Duplicates dropped", number(totals.duplicates_dropped)),
                ("Records discarded", number(totals.events_discarded)),
                ("Blobs given up", number(totals.blobs_dead)),
                ("Time lost", duration(TimeDelta::seconds(i64::try_from(totals.gap_seconds).unwrap_or(i64::MAX)))),
            ]))
            (expiries(page, progress, now))
            table {
                caption { "Tenants and content types, numbers of pending and dead blobs as of some minutes ago" }
                thead {
                    tr {
                        th scope="col" { "Tenant" }
                        th scope="col" { "Content type" }
                        th scope="col" { "Subscription" }
                        @if has_webhooks { th scope="col" { "Webhook" } }
                        th.n scope="col" { "Lag" }
                        th.n scope="col" { "Events a minute" }
                        th.n scope="col" { "Pending" }
                        th.n scope="col" { "Dead" }
                        th scope="col" { "Last problem, and what to do" }
                    }
                }
                tbody {
                    @for (feed, state) in &feeds {
                        (row(page, *feed, state, has_webhooks, now))
                    }
                    @if feeds.is_empty() {
                        tr { td.none colspan="9" { "No content type has been looked at yet" } }
                    }
                }
            }
        }
    }
}

fn row(page: &Page, feed: Feed, state: &FeedProgress, has_webhooks: bool, now: DateTime<Utc>) -> Markup {
    html! {
        tr.failing[state.problem.is_some()] {
            th scope="row" { (tenant(page, feed.tenant)) }
            td { (feed.content_type) }
            td {
                @match state.subscribed {
                    Some(true) => span.good { "enabled" },
                    Some(false) => span.bad { "not enabled" },
                    None => span.quiet { "not known yet" },
                }
            }
            @if has_webhooks {
                td { (webhook(state.webhook.as_ref(), now)) }
            }
            td.n title=[state.listed_through.map(|time| format!("listed through {time}"))] {
                @match state.listed_through {
                    Some(time) => (duration(now - time)),
                    None => span.quiet { "–" },
                }
            }
            td.n.rates { (sparkline(&page.insights.per_minute(feed, now))) }
            td.n title=[state.oldest_pending.map(|time| format!("the oldest was created at {time}"))] {
                (number(state.blobs_pending))
                @if let Some(time) = state.oldest_pending {
                    br; span.quiet { "oldest " (duration(now - time)) }
                }
            }
            td.n { @if state.blobs_dead > 0 { span.bad { (number(state.blobs_dead)) } } @else { "0" } }
            td.problem {
                @if let Some(problem) = &state.problem {
                    span.bad { "Now: " } (problem)
                } @else if let Some(past) = &state.past_problem {
                    span.quiet {
                        "Over for " (duration(TimeDelta::from_std(past.over_since.elapsed()).unwrap_or_default())) ": " (past.text)
                    }
                } @else {
                    span.quiet { "None" }
                }
            }
        }
    }
}

fn tenant(page: &Page, tenant: TenantId) -> Markup {
    html! {
        @match page.names.get(&tenant) {
            Some(name) => { (name) br; span.id { (tenant) } },
            None => span.id { (tenant) },
        }
    }
}

fn webhook(webhook: Option<&WebhookProgress>, now: DateTime<Utc>) -> Markup {
    let Some(WebhookProgress { healthy, problem, last_notification }) = webhook else {
        return html! { span.quiet { "none" } };
    };
    html! {
        @match (healthy, problem) {
            (true, _) => span.good { "works" },
            (false, Some(problem)) => { span.bad { "fails: " } (problem) },
            (false, None) => span.quiet { "not known yet" },
        }
        @if let Some(time) = last_notification {
            br; span.quiet { "notified " (duration(now - *time)) " ago" }
        }
    }
}

/// When credentials and certificates expire.
fn expiries(page: &Page, progress: &Progress, now: DateTime<Utc>) -> Markup {
    let credentials = progress.credential_expiries();
    let certificate = progress.listener_certificate_expiry();
    html! {
        ul.expiries {
            @for (tenant, expires) in &credentials {
                li {
                    @match tenant {
                        None => "The credential",
                        Some(tenant) => { "The credential of " (page.names.get(tenant).cloned().unwrap_or_else(|| tenant.to_string())) },
                    }
                    (expiry(*expires, now))
                }
            }
            @if credentials.is_empty() {
                li.quiet { "When the credential expires is not known: a client secret does not say it, a certificate does." }
            }
            @if let Some(expires) = certificate {
                li { "The certificate of the webhook's listener" (expiry(expires, now)) }
            }
        }
    }
}

fn expiry(expires: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    let days = (expires - now).num_days();
    html! {
        @if expires <= now {
            span.bad { " expired on " (expires.format("%Y-%m-%d")) }
        } @else {
            span.bad[days < 30] {
                " expires on " (expires.format("%Y-%m-%d")) ", in " (counted(u64::try_from(days).unwrap_or_default(), "day"))
            }
        }
    }
}
