//! Sensitivity Label Audit.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::parts::{figures, number, ranking, span};
use crate::insights::{Insights, LABEL_COLUMNS};

pub(super) fn body(insights: &Insights, now: DateTime<Utc>) -> Markup {
    let (covered, labels) = insights.labels(now);
    let [applied, changed, lowered, removed, recommended, met] = labels.counts.map(number);
    html! {
        (span(covered))
        (figures(&[
            ("Applied", applied),
            ("Changed", changed),
            ("Lowered", lowered),
            ("Removed", removed),
            ("Recommended", recommended),
            ("Met", met),
            ("Different items, about", number(labels.distinct_items)),
            ("Different users, about", number(labels.distinct_users)),
        ]))
        p.note {
            "Lowered: changed to a label of less protection. Recommended: also wanted by a policy. Met: a labelled file was opened or renamed, \
             or a labelled message was sent. A label without a name in any record is shown by its id."
        }
        (ranking("Labels", "Label", LABEL_COLUMNS, &labels.labels, None))
        (ranking("Items", "Item", LABEL_COLUMNS, &labels.items, None))
        (ranking("Users", "User", LABEL_COLUMNS, &labels.users, None))
    }
}
