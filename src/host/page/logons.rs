//! Logon Audit: who signed in whence, and who failed to.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::parts::{figures, number, ranking, span};
use crate::insights::{Insights, LogonCounts, LogonTable};

pub(super) fn body(insights: &Insights, now: DateTime<Utc>) -> Markup {
    let (covered, logons) = insights.logons(now);
    let countries = &logons.countries;
    html! {
        (span(covered))
        (figures(&[
            ("Entra: succeeded", number(logons.entra.succeeded)),
            ("Entra: failed", number(logons.entra.failed)),
            ("Mailboxes: succeeded", number(logons.mailbox.succeeded)),
            ("Mailboxes: failed", number(logons.mailbox.failed)),
            ("Outcome not told", number(unknown(logons.entra) + unknown(logons.mailbox))),
            ("Different users, about", number(logons.distinct_users)),
            ("Different sources, about", number(logons.distinct_sources)),
        ]))
        div.grid {
            (failed("Failed logons by source", "Source", &logons.sources))
            (failed("Failed logons by user", "User", &logons.users))
            (failed("Failed logons by country", "Country", countries))
            (succeeded("Successful logons by source", "Source", &logons.sources))
            (succeeded("Successful logons by user", "User", &logons.users))
            (succeeded("Successful logons by country", "Country", countries))
        }
        @if countries.failed.rows.is_empty() && countries.succeeded.rows.is_empty() {
            p.note {
                "Countries come from a GeoIP database: set "
                code { "sources.<name>.normalize.geoip.city_db" } " in the configuration."
            }
        }
    }
}

const fn unknown(counts: LogonCounts) -> u64 {
    counts.unknown
}

fn failed(caption: &str, head: &str, table: &LogonTable) -> Markup {
    ranking(caption, head, ["failed"], &table.failed, Some(("succeeded", &table.failed_succeeded)))
}

fn succeeded(caption: &str, head: &str, table: &LogonTable) -> Markup {
    ranking(caption, head, ["succeeded"], &table.succeeded, Some(("failed", &table.succeeded_failed)))
}
