//! Several collectors that share their tenants through NATS.
//!
//! Each member says every few seconds that it is there. From the members that are there, each concludes who should work on which tenant,
//! takes those of its own that nobody works on, and gives back those that are another's. A member that has not been heard of for
//! [`LEASE`](crate::ledger::LEASE) has lost its tenants to whoever takes them; what it writes after that does not count.

mod agreement;
mod assignment;
mod borrowing;
mod telemetry;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    mem,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tracing::Instrument;

use self::{
    agreement::{Agreement, fingerprint},
    assignment::assign,
    waiting::Waiting,
};
use crate::{
    activity::ActivityClient,
    content::{ContentType, Feed, TenantId},
    ledger::{LedgerError, Member, NatsError, NatsLedger, TenantStore},
    telemetry::{ClusterMember, ClusterProgress, Progress},
    tenants::Tenants,
    wake_up::WakeUp,
};

/// How often a member says that it is there.
const RENEWAL: Duration = Duration::from_secs(3);

/// How often a member looks whether the others are.
const LOOK: Duration = Duration::from_secs(2);

/// How long before the end of its lease a member stops.
const MARGIN: Duration = Duration::from_secs(1);

/// Members that start together see each other before they give tenants back and forth.
const SETTLED: Duration = Duration::from_secs(5);

/// How often the tenants are read that have registered elsewhere.
const TENANTS: Duration = Duration::from_secs(10);

/// After so many looks without a bucket, it was deleted. Servers that start may lack it for a moment.
const GONE: u32 = 5;

/// Why a member begins nothing whose row is not among those of the members.
const UNRENEWED: &str = "NATS does not know this collector as a member now, so that it begins nothing; check its connection to the servers of state.servers";

/// How many tenants are taken at once.
const TAKEN_AT_ONCE: usize = 8;

/// Whoever follows the tenants looks at all of them for each change. So those that come shortly after each other come together, and not
/// more than so many.
const TOGETHER: Duration = Duration::from_millis(100);
const MOST_TOGETHER: usize = 200;

/// What a member of a cluster works with.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The shared state.
    pub ledger: Arc<NatsLedger>,
    /// Asks Microsoft.
    pub client: ActivityClient,
    /// All tenants, whoever works on them.
    pub tenants: Tenants,
    /// Those that this member works on, as it finds out.
    pub own: Tenants,
    /// What this member tells of itself.
    pub progress: Progress,
    /// Wakes the collector when content comes with a tenant, or from another member.
    pub work: WakeUp,
}

impl Cluster {
    /// Shares the tenants with the other members; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When the copy of the state on this machine fails.
    pub async fn run(&self) -> Result<(), LedgerError> {
        tokio::select! {
            never = self.stay() => never,
            error = Share::new(self.clone()).keep() => Err(error),
            ended = self.hear() => match ended? {},
        }
    }

    /// Gives all tenants back, and says that this member goes. Nothing may be collected any more.
    pub async fn leave(&self) {
        self.own.replace(BTreeMap::new());
        for tenant in self.ledger.owned() {
            match self.ledger.give_back(tenant).await {
                Ok(()) => telemetry::gave_back(tenant),
                Err(error) => telemetry::failed("give a tenant back", &error),
            }
        }
        if let Err(error) = self.ledger.resign().await {
            telemetry::failed("leave the cluster", &error);
        }
    }

    /// Says again and again that this member is there.
    async fn stay(&self) -> Result<(), LedgerError> {
        loop {
            let until = self.ledger.leased_until() - MARGIN;
            let renewed = async {
                let mut is_failing = false;
                while let Err(error) = self.ledger.renew(&self.member()).await {
                    if !mem::replace(&mut is_failing, true) {
                        telemetry::failed("renew the lease", &error);
                    }
                    sleep(RENEWAL / 3).await;
                }
            };
            tokio::pin!(renewed);
            // The first lease cannot run out.
            let is_first = until <= Instant::now() && self.ledger.owned().is_empty();
            if is_first || timeout_at(until, &mut renewed).await.is_err() {
                if !is_first {
                    telemetry::lease_ran_out();
                    self.own.replace(BTreeMap::new());
                }
                renewed.await;
            }
            sleep(RENEWAL).await;
        }
    }

    /// Takes content that other members were told of.
    async fn hear(&self) -> Result<Infallible, LedgerError> {
        let mut announcements = self.ledger.announcements().await?;
        while let Some(announcement) = announcements.next().await {
            if let Some(feed) = self.ledger.take_announcement(announcement).await? {
                self.work.announce(feed);
            }
        }
        // The connection is closed only with the ledger.
        std::future::pending().await
    }

    fn member(&self) -> Member {
        Member {
            session: self.ledger.session().to_owned(),
            host: host(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tenants: self.ledger.owned().len(),
            knows: fingerprint(self.tenants.all().keys()),
            borrows: false,
        }
    }

    /// Reads who has registered, or was removed, at another member.
    async fn read_tenants(&self) -> Result<(), LedgerError> {
        // In this order: who is known by now has a record, unless it was removed.
        let known = self.tenants.all();
        let records = self.ledger.tenants().await?;
        for record in &records {
            self.tenants.apply(record);
        }
        let registered: BTreeSet<_> = records.iter().map(|record| record.id).collect();
        for (tenant, entry) in known {
            if !entry.configured && !registered.contains(&tenant) {
                self.tenants.remove(tenant);
            }
        }
        Ok(())
    }
}

/// This member's share of the tenants.
struct Share {
    cluster: Cluster,
    /// The members, if the look that goes on has found them.
    there: Vec<Member>,
    /// The machines of all sessions, also of those that share nothing.
    hosts: BTreeMap<String, String>,
    /// The sessions that were there at the last look.
    members: Vec<String>,
    /// Since when they have been the same.
    since: Instant,
    /// When the tenants are to be read again.
    tenants_due: Instant,
    /// Tenants that are being given back.
    leaving: BTreeSet<TenantId>,
    /// Whether the last look failed.
    is_failing: bool,
    agreement: Agreement,
    waiting: Waiting,
    /// How many looks in a row have found no bucket.
    missed: u32,
    returns: JoinSet<(TenantId, Result<(), LedgerError>)>,
}

impl Share {
    fn new(cluster: Cluster) -> Self {
        let now = Instant::now();
        Self {
            cluster,
            there: Vec::new(),
            hosts: BTreeMap::new(),
            members: Vec::new(),
            since: now,
            tenants_due: now,
            leaving: BTreeSet::new(),
            is_failing: false,
            agreement: Agreement::default(),
            waiting: Waiting::default(),
            missed: 0,
            returns: JoinSet::new(),
        }
    }

    /// Takes and gives back what is to be. Returns when the copy of the state fails.
    async fn keep(mut self) -> LedgerError {
        let mut lost = self.cluster.ledger.lost();
        let mut tenants = self.cluster.tenants.watch();
        loop {
            match self.look().await {
                Ok(()) => (self.is_failing, self.missed) = (false, 0),
                Err(error) if !error.may_pass() => return error,
                Err(error) => {
                    self.missed = if self.cluster.ledger.is_gone().await { self.missed + 1 } else { 0 };
                    if self.missed == GONE {
                        return NatsError::Gone.into();
                    }
                    let there = mem::take(&mut self.there);
                    self.tell(there, Some(error.to_string()));
                    if !mem::replace(&mut self.is_failing, true) {
                        telemetry::failed("share the tenants", &error);
                    }
                }
            }
            let next = Instant::now() + LOOK;
            loop {
                tokio::select! {
                    () = sleep_until(next) => break,
                    Ok(()) = lost.changed() => break,
                    Ok(()) = tenants.changed() => break,
                    Some(Ok((tenant, outcome))) = self.returns.join_next() => {
                        self.leaving.remove(&tenant);
                        match outcome {
                            Ok(()) => telemetry::gave_back(tenant),
                            Err(error) if error.may_pass() => telemetry::failed("give a tenant back", &error),
                            Err(error) => return error,
                        }
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), LedgerError> {
        self.there.clear();
        if Instant::now() >= self.tenants_due {
            self.cluster.read_tenants().await?;
            self.tenants_due = Instant::now() + TENANTS;
        }
        let mut there = self.cluster.ledger.members().await?;
        self.hosts = there.iter().map(|member| (member.session.clone(), member.host.clone())).collect();
        there.retain(|member| !member.borrows);
        self.there.clone_from(&there);
        let members: Vec<_> = there.iter().map(|member| member.session.clone()).collect();
        let own = self.cluster.ledger.session();
        if !members.iter().any(|session| session == own) || Instant::now() >= self.cluster.ledger.leased_until() {
            // Others do not count on this member, so that it does not either.
            self.follow();
            self.tell(there, Some(UNRENEWED.to_owned()));
            return Ok(());
        }
        self.cluster.ledger.confirm().await?;
        self.cluster.ledger.forget_lost().await?;
        if members != self.members {
            telemetry::members_changed(members.len());
            (self.members, self.since) = (members, Instant::now());
        }
        let tenants = self.cluster.tenants.all();
        let assigned = assign(&self.members, tenants.keys().copied());
        let mine: BTreeSet<_> =
            assigned.iter().filter(|(_, member)| **member == own).map(|(tenant, _)| *tenant).collect();
        self.give_back(&mine, &tenants.keys().copied().collect());
        self.take(&mine).await?;
        self.follow();
        let problem = self.agreement.problem(&fingerprint(tenants.keys()), &there);
        self.tell(there, problem);
        Ok(())
    }

    /// Tells who is there, what this member works on, and what keeps it from that.
    fn tell(&self, there: Vec<Member>, problem: Option<String>) {
        let may_begin = |tenant: &TenantId| self.cluster.ledger.may_begin(*tenant);
        let tenants: Vec<_> = self.cluster.ledger.owned().into_iter().filter(may_begin).collect();
        telemetry::shares(there.len(), tenants.len());
        let members = there.into_iter().map(|Member { session, host, version, tenants, .. }| ClusterMember {
            session,
            host,
            version,
            tenants,
        });
        let session = self.cluster.ledger.session().to_owned();
        self.cluster.progress.set_cluster(ClusterProgress { session, members: members.collect(), tenants, problem });
    }

    /// Begins to give back what is another's, or nobody's any more.
    fn give_back(&mut self, mine: &BTreeSet<TenantId>, all: &BTreeSet<TenantId>) {
        let is_settled = self.since.elapsed() >= SETTLED;
        let mut leaving = self.cluster.ledger.owned();
        leaving.retain(|tenant| !all.contains(tenant) || (is_settled && !mine.contains(tenant)));
        leaving.retain(|tenant| self.leaving.insert(*tenant));
        if leaving.is_empty() {
            return;
        }
        self.follow();
        for tenant in leaving {
            let ledger = Arc::clone(&self.cluster.ledger);
            let give_back = async move { (tenant, ledger.give_back(tenant).await) };
            self.returns.spawn(give_back.in_current_span());
        }
    }

    /// Takes what is this member's, and nobody else works on.
    async fn take(&self, mine: &BTreeSet<TenantId>) -> Result<(), LedgerError> {
        let owned: BTreeSet<_> = self.cluster.ledger.owned().into_iter().collect();
        let wanted: BTreeSet<_> =
            mine.difference(&owned).copied().filter(|tenant| !self.leaving.contains(tenant)).collect();
        self.waiting.retain(&wanted);
        let mut taking = stream::iter(wanted).map(|tenant| self.take_one(tenant)).buffer_unordered(TAKEN_AT_ONCE);
        let (mut fresh, mut outcome) = (Vec::new(), Ok(()));
        loop {
            let taken = if fresh.is_empty() {
                taking.next().await
            } else if let Ok(taken) = timeout(TOGETHER, taking.next()).await {
                taken
            } else {
                self.begin(&mem::take(&mut fresh));
                continue;
            };
            match taken {
                Some(Ok(tenant)) => fresh.extend(tenant),
                Some(Err(error)) => outcome = outcome.and(Err(error)),
                None => break,
            }
            if fresh.len() >= MOST_TOGETHER {
                self.begin(&mem::take(&mut fresh));
            }
        }
        self.begin(&fresh);
        outcome
    }

    /// Has tenants collected that were just taken.
    fn begin(&self, fresh: &[TenantId]) {
        if fresh.is_empty() {
            return;
        }
        self.follow();
        for tenant in fresh {
            for content_type in ContentType::ALL.into_iter().chain([ContentType::AuditLogQuery]) {
                self.cluster.work.announce(Feed { tenant: *tenant, content_type });
            }
        }
    }

    /// Takes a tenant, unless another works on it, or is faster.
    async fn take_one(&self, tenant: TenantId) -> Result<Option<TenantId>, LedgerError> {
        let ledger = &self.cluster.ledger;
        let owner = ledger.owner(tenant).await?;
        if ledger.is_there(&owner).await? {
            let host = owner.session.as_ref().and_then(|session| self.hosts.get(session));
            self.waiting.note(tenant, host.map_or("unknown", String::as_str));
            return Ok(None);
        }
        if !ledger.take(tenant, &owner).await? {
            return Ok(None);
        }
        telemetry::took(tenant, owner.session.as_deref());
        self.cluster.client.take_over(tenant);
        Ok(Some(tenant))
    }

    /// Has those tenants collected that are this member's.
    fn follow(&self) {
        let mut own = self.cluster.tenants.all();
        own.retain(|tenant, _| self.cluster.ledger.may_begin(*tenant) && !self.leaving.contains(tenant));
        for tenant in self.cluster.own.all().into_keys().filter(|tenant| !own.contains_key(tenant)) {
            // Another member tells of it now.
            self.cluster.progress.forget(tenant);
        }
        self.cluster.own.replace(own);
    }
}

/// The name of this machine, as far as it has one.
fn host() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    }
}
