//! SharePoint Audit: links that were made and used.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::parts::{figures, number, ranking, span};
use crate::insights::{Insights, LINK_COLUMNS};

const KINDS: [&str; 3] = ["Anonymous (anybody)", "Company (everybody in it)", "Secure (named people)"];

pub(super) fn body(insights: &Insights, now: DateTime<Utc>) -> Markup {
    let (covered, links) = insights.links(now);
    let sum = |act: usize| links.counts.iter().filter_map(|kind| kind.get(act)).sum();
    html! {
        (span(covered))
        (figures(&[
            ("Links made", number(sum(0))),
            ("Links used", number(sum(1))),
            ("Different items, about", number(links.distinct_items)),
            ("Different users, about", number(links.distinct_users)),
        ]))
        section {
            table {
                caption { "Links by whom they let in" }
                thead {
                    tr {
                        th scope="col" { "Kind" }
                        @for act in ["made", "used", "changed", "removed"] { th.n scope="col" { (act) } }
                    }
                }
                tbody {
                    @for (kind, counts) in KINDS.iter().zip(links.counts) {
                        tr {
                            th scope="row" { (kind) }
                            @for count in counts { td.n.zero[count == 0] { (number(count)) } }
                        }
                    }
                }
            }
        }
        (ranking("Items by links made and used", "Item", LINK_COLUMNS, &links.items, None))
        (ranking("Users by links made and used", "User", LINK_COLUMNS, &links.users, None))
    }
}
