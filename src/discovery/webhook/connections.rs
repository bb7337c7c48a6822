//! Which connections a listener keeps when there are too many.
//!
//! A listener on the Internet is sent connections that say nothing. A peer that opens many must not keep out one that
//! opens a single one, so a new connection replaces one that is idle: of its own source when that has its share, else
//! of the source that has most. The table only decides; the listener closes the connections.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    net::IpAddr,
    num::NonZeroUsize,
};

use ipnet::IpNet;
use tokio::time::Instant;

use super::addresses::{is_in, source_of};

/// Names a connection. Never used again, so that a late message about a connection that is gone has no effect.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

/// A connection that may stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admitted {
    /// Its name. It is idle until [`Connections::busy`] says otherwise.
    pub id: ConnectionId,
    /// The connection that has to be closed for it. The table has forgotten it already.
    pub evict: Option<ConnectionId>,
}

/// A connection that has to be closed at once, as no other can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Its source has as many as it may, all of them busy.
    Source,
    /// The table is full, and all connections are busy.
    Table,
}

impl Refused {
    /// A short name for metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Source => "source_busy",
            Self::Table => "listener_busy",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the source has as many connections as one may have, and all are busy",
            Self::Table => "the listener has as many connections as it may have, and all are busy",
        })
    }
}

impl std::error::Error for Refused {}

/// The open connections. Each operation takes a time that grows with the logarithm of their number.
#[derive(Debug)]
pub struct Connections {
    max: usize,
    max_per_source: usize,
    /// Without a limit of their own: each stands for many senders.
    proxies: Vec<IpNet>,
    last: u64,
    open: HashMap<ConnectionId, TrackedConnection>,
    sources: HashMap<Holder, Source>,
    /// The sources that have an idle connection. The last one has not shown the AuthID, has most connections, and among
    /// such sources the oldest idle connection.
    evictable: BTreeSet<Rank>,
    /// Sources that have proved themselves, the latest last, also when they have no connection now.
    proven: VecDeque<Holder>,
}

/// How many sources that have shown the AuthID are remembered. Microsoft has some dozen addresses.
const MOST_PROVEN: usize = 256;

/// Who connections are counted for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Holder {
    Proxy(IpAddr),
    Source(IpAddr),
}

#[derive(Debug)]
struct TrackedConnection {
    holder: Holder,
    /// `None` while it is busy.
    idle_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Source {
    proven: bool,
    open: usize,
    /// Oldest first.
    idle: BTreeSet<(Instant, ConnectionId)>,
}

/// Whether it has not shown the AuthID, how many connections it has, and its oldest idle one.
type Rank = (bool, usize, Reverse<(Instant, ConnectionId)>);

impl Source {
    fn rank(&self) -> Option<Rank> {
        self.idle.first().map(|oldest| (!self.proven, self.open, Reverse(*oldest)))
    }
}

impl Connections {
    /// A table of at most `max` connections, and at most `max_per_source` from one IPv4 address or IPv6 /64 that is not
    /// one of the `proxies`.
    pub fn new(max: NonZeroUsize, max_per_source: NonZeroUsize, proxies: Vec<IpNet>) -> Self {
        Self {
            max: max.get(),
            max_per_source: max_per_source.get(),
            proxies,
            last: 0,
            open: HashMap::new(),
            sources: HashMap::new(),
            evictable: BTreeSet::new(),
            proven: VecDeque::new(),
        }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes in a new connection, if need be in place of another.
    ///
    /// # Errors
    ///
    /// When there is no room, and no idle connection that could make room.
    pub fn admit(&mut self, source: IpAddr, now: Instant) -> Result<Admitted, Refused> {
        let holder = match source.to_canonical() {
            proxy if is_in(&self.proxies, proxy) => Holder::Proxy(proxy),
            source => Holder::Source(source_of(source)),
        };
        let held = self.sources.get(&holder);
        let has_its_share =
            matches!(holder, Holder::Source(_)) && held.is_some_and(|held| held.open >= self.max_per_source);
        let evict = if has_its_share {
            let oldest = held.and_then(Source::rank).ok_or(Refused::Source)?;
            Some(oldest.2.0.1)
        } else if self.open.len() >= self.max {
            let oldest = self.evictable.last().ok_or(Refused::Table)?;
            Some(oldest.2.0.1)
        } else {
            None
        };
        if let Some(evicted) = evict {
            self.closed(evicted);
        }
        self.last += 1;
        let id = ConnectionId(self.last);
        self.open.insert(id, TrackedConnection { holder, idle_since: Some(now) });
        self.change(holder, |source| {
            source.open += 1;
            source.idle.insert((now, id));
        });
        Ok(Admitted { id, evict })
    }

    /// A connection works on a complete request, and cannot be evicted until it is idle again. False when it has been
    /// evicted already: then it must not begin.
    pub fn busy(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.open.get_mut(&id) else { return false };
        let (holder, since) = (connection.holder, connection.idle_since.take());
        if let Some(since) = since {
            self.change(holder, |source| {
                source.idle.remove(&(since, id));
            });
        }
        true
    }

    /// A connection waits for a request, since `now`.
    pub fn idle(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        let (holder, before) = (connection.holder, connection.idle_since.replace(now));
        self.change(holder, |source| {
            if let Some(before) = before {
                source.idle.remove(&(before, id));
            }
            source.idle.insert((now, id));
        });
    }

    /// A connection is gone. Does nothing if it was evicted.
    pub fn closed(&mut self, id: ConnectionId) {
        let Some(connection) = self.open.remove(&id) else { return };
        self.change(connection.holder, |source| {
            source.open -= 1;
            if let Some(since) = connection.idle_since {
                source.idle.remove(&(since, id));
            }
        });
    }

    /// The source of a connection has shown the AuthID: its connections are evicted last from now on.
    pub fn proved(&mut self, id: ConnectionId) {
        let Some(holder) = self.open.get(&id).map(|connection| connection.holder) else { return };
        if self.proven.back() == Some(&holder) {
            return;
        }
        self.proven.retain(|proven| *proven != holder);
        self.proven.push_back(holder);
        self.change(holder, |source| source.proven = true);
        if self.proven.len() > MOST_PROVEN
            && let Some(forgotten) = self.proven.pop_front()
            && self.sources.contains_key(&forgotten)
        {
            self.change(forgotten, |source| source.proven = false);
        }
    }

    /// Changes a source, and keeps its rank right.
    fn change(&mut self, holder: Holder, change: impl FnOnce(&mut Source)) {
        let proven = &self.proven;
        let source = self
            .sources
            .entry(holder)
            .or_insert_with(|| Source { proven: proven.contains(&holder), ..Source::default() });
        let before = source.rank();
        change(source);
        let after = source.rank();
        if source.open == 0 {
            self.sources.remove(&holder);
        }
        if before != after {
            if let Some(before) = before {
                self.evictable.remove(&before);
            }
            self.evictable.extend(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn table(max: usize, per_source: usize) -> Connections {
        let count = |n| NonZeroUsize::new(n).unwrap();
        Connections::new(count(max), count(per_source), vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    /// Admits without evicting.
    fn open(table: &mut Connections, source: IpAddr, now: Instant) -> ConnectionId {
        let admitted = table.admit(source, now).unwrap();
        assert_eq!(admitted.evict, None);
        admitted.id
    }

    #[test]
    fn a_source_with_its_share_gives_up_its_own_oldest_idle_one() {
        let (mut table, start) = (table(10, 2), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let other = open(&mut table, address(9), at(0));
        let [one, two] = [1, 2].map(|secs| open(&mut table, address(1), at(secs)));
        let three = table.admit(address(1), at(3)).unwrap();
        assert_eq!(three.evict, Some(one));
        assert!(table.busy(two) && table.busy(three.id) && !table.busy(one));
        assert_eq!(table.admit(address(1), at(4)), Err(Refused::Source));
        table.idle(two, at(5));
        assert_eq!(table.admit(address(1), at(6)).unwrap().evict, Some(two));
        assert!(table.busy(other));
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn a_full_table_gives_up_the_oldest_idle_connection_of_the_source_with_most() {
        let (mut table, start) = (table(4, 3), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let modest = open(&mut table, address(1), at(0));
        let [first, second, third] = [1, 2, 3].map(|secs| open(&mut table, address(2), at(secs)));
        table.busy(first);
        assert_eq!(table.admit(address(3), at(4)).unwrap().evict, Some(second));
        table.busy(third);
        // The one that has most has no idle one left: among the others, who has been idle longest.
        assert_eq!(table.admit(address(4), at(5)).unwrap().evict, Some(modest));
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn who_has_proved_itself_is_evicted_last() {
        let mut table = table(4, 4);
        let now = Instant::now();
        let microsoft: Vec<_> = (0..2).map(|_| table.admit(address(1), now).unwrap().id).collect();
        table.proved(microsoft[0]);
        for stranger in 2..40 {
            let later = now + Duration::from_secs(stranger.into());
            let evicted = table.admit(address(stranger), later).unwrap().evict;
            assert!(evicted.is_none_or(|evicted| !microsoft.contains(&evicted)), "{stranger}");
        }
        // Also after all its connections are closed.
        for id in &microsoft {
            table.closed(*id);
        }
        let later = now + Duration::from_secs(100);
        let again: Vec<_> = (0..2).map(|_| table.admit(address(1), later).unwrap().id).collect();
        for stranger in 41..80 {
            let evicted = table.admit(address(stranger), later + Duration::from_secs(stranger.into())).unwrap().evict;
            assert!(!again.contains(&evicted.unwrap()), "{stranger}");
        }
    }

    #[test]
    fn who_is_busy_is_never_evicted() {
        let (mut table, now) = (table(2, 5), Instant::now());
        let ids = [1, 2].map(|n| open(&mut table, address(n), now));
        assert!(ids.iter().all(|id| table.busy(*id)));
        assert_eq!(table.admit(address(3), now), Err(Refused::Table));
        table.closed(ids[0]);
        open(&mut table, address(3), now);
    }

    #[test]
    fn many_addresses_of_one_network_are_one_source_and_proxies_are_not_limited() {
        let (mut table, now) = (table(100, 2), Instant::now());
        for n in 0..3_u16 {
            let admitted = table.admit(format!("2001:db8::{n}").parse().unwrap(), now).unwrap();
            assert_eq!(admitted.evict.is_some(), n == 2);
        }
        for _ in 0..50 {
            open(&mut table, "::ffff:10.1.2.3".parse().unwrap(), now);
        }
        assert_eq!(table.len(), 52);
    }

    #[test]
    fn words_about_connections_that_are_gone_change_nothing() {
        let (mut table, now) = (table(2, 2), Instant::now());
        let id = open(&mut table, address(1), now);
        table.closed(id);
        table.closed(id);
        table.idle(id, now);
        assert!(!table.busy(id) && table.is_empty());
        assert!(table.sources.is_empty() && table.evictable.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Admit(u8),
        Busy(usize),
        Idle(usize),
        Closed(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..5).prop_map(Step::Admit),
            2 => (0_usize..40).prop_map(Step::Busy),
            2 => (0_usize..40).prop_map(Step::Idle),
            1 => (0_usize..40).prop_map(Step::Closed),
        ]
    }

    /// The same table, the slow way: (id, source, idle since), source 0 being a proxy.
    #[derive(Default)]
    struct Model(Vec<(ConnectionId, u8, Option<Instant>)>);

    impl Model {
        fn held(&self, source: u8) -> usize {
            self.0.iter().filter(|(_, holder, _)| *holder == source).count()
        }

        fn oldest_idle(&self, eligible: impl Fn(u8) -> bool) -> Option<ConnectionId> {
            let idle = self.0.iter().filter(|(_, holder, _)| eligible(*holder));
            idle.filter_map(|(id, _, since)| Some(((*since)?, *id))).min().map(|(_, id)| id)
        }

        fn verdict(&self, source: u8, max: usize, per_source: usize) -> Result<Option<ConnectionId>, Refused> {
            if source != 0 && self.held(source) >= per_source {
                return self.oldest_idle(|holder| holder == source).ok_or(Refused::Source).map(Some);
            }
            if self.0.len() < max {
                return Ok(None);
            }
            let most =
                self.0.iter().filter(|(_, _, since)| since.is_some()).map(|(_, holder, _)| self.held(*holder)).max();
            self.oldest_idle(|holder| Some(self.held(holder)) == most).ok_or(Refused::Table).map(Some)
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_a_search_through_all_would(
            steps in prop::collection::vec(step(), 0..200), max in 1_usize..8, per_source in 1_usize..4,
        ) {
            let (mut table, mut model, mut ids) = (table(max, per_source), Model::default(), Vec::new());
            let start = Instant::now();
            for (secs, step) in (0..).zip(steps) {
                // Pairs of steps share a time.
                let now = start + Duration::from_secs(secs / 2);
                let pick = |n: usize| ids.get(n % ids.len().max(1)).copied();
                match step {
                    Step::Admit(source) => {
                        let address = if source == 0 { IpAddr::from([10, 0, 0, 1]) } else { address(source) };
                        let admitted = table.admit(address, now);
                        prop_assert_eq!(admitted.map(|admitted| admitted.evict), model.verdict(source, max, per_source));
                        if let Ok(Admitted { id, evict }) = admitted {
                            model.0.retain(|(id, ..)| Some(*id) != evict);
                            model.0.push((id, source, Some(now)));
                            ids.push(id);
                        }
                    }
                    Step::Busy(n) => if let Some(id) = pick(n) {
                        let open = model.0.iter_mut().find(|(open, ..)| *open == id);
                        prop_assert_eq!(table.busy(id), open.is_some());
                        if let Some(open) = open {
                            open.2 = None;
                        }
                    },
                    Step::Idle(n) => if let Some(id) = pick(n) {
                        table.idle(id, now);
                        if let Some(open) = model.0.iter_mut().find(|(open, ..)| *open == id) {
                            open.2 = Some(now);
                        }
                    },
                    Step::Closed(n) => if let Some(id) = pick(n) {
                        table.closed(id);
                        model.0.retain(|(open, ..)| *open != id);
                    },
                }
                prop_assert_eq!(table.len(), model.0.len());
                prop_assert!(table.len() <= max);
                prop_assert!(table.evictable.len() <= table.sources.len());
            }
        }
    }
}
