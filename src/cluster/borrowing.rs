//! Tenants for a run that ends by itself, or for a command: it takes those that nobody works on, and gives them back in the end.
//!
//! Such a run says that it is there, so that others leave its tenants alone. They share no tenants with it: what it works on is settled
//! when it begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    mem,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{Cluster, RENEWAL, TAKEN_AT_ONCE, telemetry};
use crate::{
    content::TenantId,
    ledger::{LedgerError, Member, NatsError},
    telemetry::ClusterProgress,
};

/// How often it is looked whether an owner gives a sign of life.
const LOOK: Duration = Duration::from_millis(500);

impl Cluster {
    /// Takes the tenants that nobody works on: the one that is meant, or all. Returns those that other collectors work on, with the names
    /// of their machines.
    ///
    /// # Errors
    ///
    /// When NATS does not answer, or the copy of the state on this machine fails.
    pub async fn borrow(&self, meant: Option<TenantId>) -> Result<BTreeMap<TenantId, String>, LedgerError> {
        self.ledger.wait_for_leases();
        self.ledger.renew(&self.borrower()).await?;
        tokio::select! {
            elsewhere = self.take_free(meant) => elsewhere,
            error = self.renew_and_confirm() => Err(error),
        }
    }

    /// Keeps what was borrowed, and takes content that other members were told of; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When another has taken a tenant, because NATS has not heard of this run for too long; or when the copy fails.
    pub async fn hold(&self) -> Result<Infallible, LedgerError> {
        tokio::select! {
            error = self.renew_and_confirm() => Err(error),
            ended = self.hear() => match ended? {},
        }
    }

    /// Says again and again that this run is there. Returns when another has taken a tenant.
    async fn renew_and_confirm(&self) -> LedgerError {
        let mut lost = self.ledger.lost();
        let renewing = async {
            loop {
                sleep(RENEWAL).await;
                let (mut is_failing, mut is_out) = (false, false);
                while let Err(error) = self.renew_once().await {
                    if !mem::replace(&mut is_failing, true) {
                        telemetry::failed("renew the lease", &error);
                    }
                    if Instant::now() >= self.ledger.leased_until() && !mem::replace(&mut is_out, true) {
                        telemetry::lease_ran_out();
                    }
                    self.tell(Some(error.to_string()));
                    sleep(RENEWAL / 3).await;
                }
                self.tell(None);
            }
        };
        tokio::select! {
            _ = lost.changed() => NatsError::Lost.into(),
            never = renewing => never,
        }
    }

    async fn renew_once(&self) -> Result<(), LedgerError> {
        self.ledger.renew(&self.borrower()).await?;
        self.ledger.confirm().await
    }

    /// Tells what keeps this run from going on.
    fn tell(&self, problem: Option<String>) {
        let (session, tenants) = (self.ledger.session().to_owned(), self.ledger.owned());
        self.progress.set_cluster(ClusterProgress { session, members: Vec::new(), tenants, problem });
    }

    fn borrower(&self) -> Member {
        Member { borrows: true, ..self.member() }
    }

    async fn take_free(&self, meant: Option<TenantId>) -> Result<BTreeMap<TenantId, String>, LedgerError> {
        self.read_tenants().await?;
        let members = self.ledger.members().await?;
        let owned: BTreeSet<_> = self.ledger.owned().into_iter().collect();
        let tenants = self.tenants.all().into_keys();
        let wanted = tenants.filter(|id| meant.is_none_or(|meant| meant == *id) && !owned.contains(id));
        let taking = stream::iter(wanted).map(|tenant| self.take_unless_worked_on(tenant));
        let taken: Vec<_> = taking.buffer_unordered(TAKEN_AT_ONCE).try_collect().await?;
        let mut own = self.tenants.all();
        own.retain(|tenant, _| self.ledger.may_begin(*tenant));
        self.own.replace(own);
        let host = |session: &String| members.iter().find(|member| member.session == *session);
        let elsewhere = taken.into_iter().flatten();
        let elsewhere = elsewhere.map(|(tenant, session)| {
            (tenant, host(&session).map_or_else(|| "another machine".to_owned(), |member| member.host.clone()))
        });
        Ok(elsewhere.collect())
    }

    /// Takes a tenant, unless another collector works on it. Returns it with the session of that. One that has died looks as if it did until its
    /// lease ends, so that a sign of life is waited for.
    async fn take_unless_worked_on(&self, tenant: TenantId) -> Result<Option<(TenantId, String)>, LedgerError> {
        let mut seen = None;
        loop {
            let owner = self.ledger.owner(tenant).await?;
            match (self.ledger.sign_of_life(&owner).await?, owner.session.clone()) {
                (Some(sign), Some(session)) => {
                    let is_alive = |(other, before): &(String, u64)| *other == session && *before != sign;
                    if seen.as_ref().is_some_and(is_alive) {
                        return Ok(Some((tenant, session)));
                    }
                    seen = Some((session, sign));
                    sleep(LOOK).await;
                }
                _ if self.ledger.take(tenant, &owner).await? => {
                    telemetry::took(tenant, owner.session.as_deref());
                    self.client.take_over(tenant);
                    return Ok(None);
                }
                // Another was faster.
                _ => {}
            }
        }
    }
}
