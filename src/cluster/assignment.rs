//! Who should work on which tenant. All members come to the same answer from the same members and tenants.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

use siphasher::sip::SipHasher13;

use crate::content::TenantId;

/// Gives each tenant one of the members, no member more than its share.
///
/// This is rendezvous hashing with bounded loads: a tenant goes to the member with the highest score that has room. A member that comes
/// or goes moves little more than the tenants that it gets or had.
pub(super) fn assign(members: &[String], tenants: impl ExactSizeIterator<Item = TenantId>) -> BTreeMap<TenantId, &str> {
    if members.is_empty() {
        return BTreeMap::new();
    }
    let share = tenants.len().div_ceil(members.len());
    let mut loads = vec![0_usize; members.len()];
    // In an order that favours nobody.
    let mut tenants: Vec<_> = tenants.collect();
    tenants.sort_unstable_by_key(|tenant| (score("", *tenant), *tenant));
    tenants
        .into_iter()
        .filter_map(|tenant| {
            let with_room = members.iter().zip(&mut loads).filter(|(_, load)| **load < share);
            let (member, load) = with_room.max_by_key(|(member, _)| (score(member, tenant), *member))?;
            *load += 1;
            Some((tenant, member.as_str()))
        })
        .collect()
}

fn score(member: &str, tenant: TenantId) -> u64 {
    // Versions of this program must agree, so that this has no seed.
    let mut hasher = SipHasher13::new();
    member.hash(&mut hasher);
    hasher.write(tenant.0.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn tenants(count: u128) -> impl ExactSizeIterator<Item = TenantId> {
        (1..=count).map(|number| TenantId(Uuid::from_u128(number))).collect::<Vec<_>>().into_iter()
    }

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("member-{number}")).collect()
    }

    fn loads(assigned: &BTreeMap<TenantId, &str>) -> BTreeMap<String, usize> {
        let mut loads = BTreeMap::new();
        for member in assigned.values() {
            *loads.entry((*member).to_owned()).or_default() += 1;
        }
        loads
    }

    proptest! {
        #[test]
        fn everybody_has_a_fair_share(count in 1..200_u128, size in 1..9_usize) {
            let members = members(size);
            let assigned = assign(&members, tenants(count));
            prop_assert_eq!(assigned.len() as u128, count);
            let share = usize::try_from(count).unwrap().div_ceil(size);
            prop_assert!(loads(&assigned).values().all(|load| *load <= share));
        }

        #[test]
        fn whoever_leaves_moves_little_more_than_what_it_had(size in 2..9_usize, gone in 0..9_usize) {
            let (before, mut after) = (members(size), members(size));
            after.remove(gone % size);
            let (one, two) = (assign(&before, tenants(1_000)), assign(&after, tenants(1_000)));
            let moved = one.iter().filter(|(tenant, member)| two.get(tenant) != Some(member)).count();
            // What the member had is a share; what had no room where it scored best may move, too.
            prop_assert!(moved <= 2 * 1_000 / size, "{} of {}", moved, 1_000 / size);
        }
    }

    #[test]
    fn five_thousand_tenants_of_ten_members_move_little_when_two_are_lost() {
        let (before, after) = (members(10), members(8));
        let (one, two) = (assign(&before, tenants(5_000)), assign(&after, tenants(5_000)));
        assert!(loads(&one).values().all(|load| *load <= 500) && loads(&two).values().all(|load| *load <= 625));
        let moved = one.iter().filter(|(tenant, member)| two.get(tenant) != Some(member)).count();
        // The two had 1,000.
        assert!((1_000..1_500).contains(&moved), "{moved}");
    }

    #[test]
    fn without_members_nobody_has_anything() {
        assert!(assign(&[], tenants(3)).is_empty());
    }
}
