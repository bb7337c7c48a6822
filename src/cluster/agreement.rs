//! Whether all members know the same tenants. Each concludes from its own list who collects what, so that a tenant that only some know may
//! have no collector.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    time::Duration,
};

use siphasher::sip::SipHasher13;
use tokio::time::Instant;

use super::telemetry;
use crate::{content::TenantId, ledger::Member};

/// For how long lists may differ: while configurations are being replaced, and until all have read who has registered.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the members' lists of tenants have in common.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Since when they differ.
    since: Option<Instant>,
    is_told: bool,
}

impl Agreement {
    /// Says what is wrong, if lists have differed for too long. `own` stands for this member's list.
    pub fn problem(&mut self, own: &str, members: &[Member]) -> Option<String> {
        // Versions that do not tell know what they know.
        let others = members.iter().filter(|member| !member.knows.is_empty() && member.knows != own);
        let hosts: BTreeSet<_> = others.map(|member| member.host.as_str()).collect();
        if hosts.is_empty() {
            *self = Self::default();
            return None;
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            return None;
        }
        let hosts: Vec<_> = hosts.into_iter().collect();
        let problem = format!(
            "not all collectors of this cluster know the same tenants (others are known on {}), so that some tenants may have none; write \
             the same tenants in the configuration of each",
            hosts.join(", ")
        );
        if !std::mem::replace(&mut self.is_told, true) {
            telemetry::disagreement(&problem);
        }
        Some(problem)
    }
}

/// Stands for a list of tenants, in their order.
pub(super) fn fingerprint<'a>(tenants: impl Iterator<Item = &'a TenantId>) -> String {
    // Versions of this program must agree, so that this has no seed.
    let mut hasher = SipHasher13::new();
    tenants.for_each(|tenant| tenant.0.as_bytes().hash(&mut hasher));
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;
    use uuid::Uuid;

    use super::*;

    fn member(host: &str, tenants: &[u128]) -> Member {
        let tenants: Vec<_> = tenants.iter().map(|tenant| TenantId(Uuid::from_u128(*tenant))).collect();
        Member { host: host.to_owned(), knows: fingerprint(tenants.iter()), ..Member::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn lists_that_differ_for_a_minute_are_told_with_the_machine() {
        let mut agreement = Agreement::default();
        let [one, other, old] = [member("a", &[1, 2]), member("b", &[1]), Member::default()];
        let own = one.knows.clone();
        let mut look = |members: &[Member]| agreement.problem(&own, members);
        assert_eq!(look(&[one.clone(), other.clone(), old.clone()]), None);
        sleep(PATIENCE / 2).await;
        assert_eq!(look(&[one.clone(), old.clone()]), None, "they agree again");
        assert_eq!(look(&[one.clone(), other.clone()]), None);
        sleep(PATIENCE).await;
        let problem = look(&[one.clone(), other, old]).unwrap();
        assert!(problem.contains("known on b)"), "{problem}");
        assert_eq!(look(&[one]), None);
    }
}
