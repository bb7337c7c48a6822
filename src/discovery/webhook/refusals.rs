//! What a listener on the Internet turns away: all of it counted, a little of it logged.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::counter;
use tokio::time::Instant;
use tracing::warn;

use crate::{content::Feed, telemetry::count};

/// How often each reason is worth a line.
const EVERY: Duration = Duration::from_secs(60);

/// Counts refusals by reason, and logs each reason at intervals with the number in between.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<&'static str, Told>>);

#[derive(Debug)]
struct Told {
    last: Instant,
    untold: u64,
}

impl Refusals {
    /// A request or connection was refused.
    pub fn refused(&self, code: &'static str, source: IpAddr) {
        self.refused_because(code, source, "");
    }

    /// As [`Self::refused`], with what was wrong, which holds nothing secret.
    pub fn refused_because(&self, code: &'static str, source: IpAddr, problem: &str) {
        counter!("office365_webhook_refused_total", "reason" => code).increment(1);
        if let Some(more) = self.worth_a_line(code) {
            warn!(message = "Webhook: refused.", reason = code, %source, problem, not_logged = more);
        }
    }

    /// A part of a notification was discarded; `problem` says why and holds nothing secret.
    pub fn discarded(&self, code: &'static str, source: IpAddr, problem: &dyn fmt::Display) {
        counter!("office365_webhook_refused_items_total", "reason" => code).increment(1);
        if let Some(more) = self.worth_a_line(code) {
            warn!(message = "Webhook: discarded a part of a notification.", reason = code, %problem, %source, not_logged = more);
        }
    }

    /// A notification announced content that waits for the listing that names it.
    pub fn postponed(&self, code: &'static str, feed: Feed, blobs: u64) {
        count("office365_announced_content_postponed_total", feed, blobs);
        if let Some(more) = self.worth_a_line(code) {
            warn!(
                message = "Webhook: announced content waits for the next listing.",
                reason = code, tenant = %feed.tenant, content_type = %feed.content_type, count = blobs, not_logged = more
            );
        }
    }

    /// How many of the reason were not logged since the last line, if it is time for another.
    fn worth_a_line(&self, code: &'static str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match told.get_mut(code) {
            None => {
                told.insert(code, Told { last: now, untold: 0 });
                Some(0)
            }
            Some(told) if now - told.last < EVERY => {
                told.untold += 1;
                None
            }
            Some(told) => {
                told.last = now;
                Some(std::mem::take(&mut told.untold))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_now_and_then() {
        let refusals = Refusals::default();
        assert_eq!(refusals.worth_a_line("a"), Some(0));
        for _ in 0..1_000 {
            assert_eq!(refusals.worth_a_line("a"), None);
        }
        assert_eq!(refusals.worth_a_line("b"), Some(0), "one reason does not hide another");
        tokio::time::sleep(EVERY).await;
        assert_eq!(refusals.worth_a_line("a"), Some(1_000));
        assert_eq!(refusals.worth_a_line("a"), None);
    }
}
