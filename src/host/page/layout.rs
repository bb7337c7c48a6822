//! What is around every part of the page.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{REFRESH_SECS, STYLE, Tab, parts::duration};

pub(super) fn page(tab: Tab, now: DateTime<Utc>, uptime: Duration, body: &Markup) -> Markup {
    let uptime = duration(TimeDelta::from_std(uptime).unwrap_or_default());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(REFRESH_SECS);
                title { (tab.title()) " – office365-source" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "office365-source" }
                    nav aria-label="Parts of this page" {
                        @for other in Tab::ALL {
                            a href=(other.path()) aria-current=[(other == tab).then_some("page")] { (other.title()) }
                        }
                    }
                }
                main {
                    h2 { (tab.title()) }
                    (body)
                }
                footer {
                    p {
                        "As of " time datetime=(now.to_rfc3339()) { (now.format("%Y-%m-%d %H:%M:%S")) " UTC" }
                        ", running for " (uptime) ", version " (env!("CARGO_PKG_VERSION"))
                        ". This page asks again every " (REFRESH_SECS) " seconds. All times are UTC. "
                        a href="/status" { "State as JSON" } ", " a href="/metrics" { "metrics" } "."
                    }
                }
            }
        }
    }
}
