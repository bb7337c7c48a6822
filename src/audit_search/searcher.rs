//! The searches of one tenant: what is due is planned, what is planned is asked for, what is found becomes pending content.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use snafu::Snafu;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{
    plan::{Knowledge, RIPE, Wanted, scopes_of},
    report::Report,
    request::{RequestError, hidden, request},
    telemetry,
};
use crate::{
    backoff::Backoff,
    content::{ContentRef, ContentType, Feed, TenantId, searched_content_id},
    graph::{GraphClient, GraphError, GraphFailure, NewQuery, Query, QueryStatus},
    ledger::{AuditDay, BlobKey, DayRecord, DayRequest, Ledger, LedgerError, Search, SearchState, SearchStep, Split},
    telemetry::{Progress, Stage, feed_failed, feed_recovered},
    wake_up::WakeUp,
};

/// How many days of a tenant are under way at a time, unless somebody asks for more.
const MOST_OPEN: usize = 14;

/// How many queries of a tenant Microsoft works on at a time. It takes 50, of all applications together.
const AT_ONCE: usize = 5;

/// How often the states of queries are looked at: while they are young, and when Microsoft takes its time.
const AT_ONCE_AGAIN: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(15);
const LATER: Duration = Duration::from_mins(1);
const NEW: TimeDelta = TimeDelta::seconds(20);
const YOUNG: TimeDelta = TimeDelta::minutes(10);

/// How often it is looked whether a day is due when nothing is under way.
const IDLE: Duration = Duration::from_mins(10);

/// For how long a query may be created without being in the list of queries. Another one in its place costs a bit of the budget.
const UNLISTED: TimeDelta = TimeDelta::minutes(2);

/// A query that works for longer is stuck (seen for hours): it is made anew.
const STUCK: TimeDelta = TimeDelta::hours(4);

/// Between attempts at one search, and how many there are. After that the day counts as one that cannot be told, until it is due again.
const FAILURES: Backoff = Backoff { first: Duration::from_mins(1), longest: Duration::from_hours(1) };
const MOST_FAILURES: u32 = 6;

/// While all requests for a tenant fail.
const TROUBLE: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(15) };

/// Metrics tell of so many days.
const TOLD: TimeDelta = TimeDelta::days(30);

/// In a run that should end, a tenant that cannot be searched is tried so often, unless an administrator has to do something.
const TRIES_ONCE: u32 = 3;

/// How a tenant's audit log is searched.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Which days.
    pub wanted: Wanted,
    /// How many queries are created in 24 hours.
    pub budget: u32,
    /// The content types that the source collects.
    pub content_types: Vec<ContentType>,
}

/// What searching works with.
#[derive(Clone, Debug)]
pub struct SearchContext {
    /// Microsoft Graph.
    pub client: GraphClient,
    /// What is known.
    pub ledger: Arc<dyn Ledger>,
    /// Whom to notify of what has been found.
    pub work: WakeUp,
    /// What has been done.
    pub progress: Progress,
    /// Changes when somebody asks for days.
    pub requested: Arc<watch::Sender<()>>,
    /// How.
    pub options: SearchOptions,
}

/// Days that somebody asks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SearchTask {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub through: NaiveDate,
    /// Whose; `None` for all tenants.
    pub tenant: Option<TenantId>,
    /// Whether missing events are delivered.
    pub heals: bool,
    /// Whether days are compared again that are known to be complete.
    #[serde(default)]
    pub again: bool,
}

/// Why a pass did not come to its end.
#[derive(Debug, Snafu)]
pub(super) enum PassError {
    /// The ledger failed, which ends the source.
    #[snafu(display("{source}"), context(false))]
    Ledger { source: LedgerError },
    /// The tenant cannot be searched.
    #[snafu(display("{source}"), context(false))]
    Graph { source: GraphError },
}

/// Searches one tenant.
#[derive(Debug)]
pub(super) struct Searcher {
    tenant: TenantId,
    context: SearchContext,
    failures: u32,
    /// The only days that are searched, where a command runs the source for them.
    only: Option<SearchTask>,
    /// Whether the last failure needs an administrator.
    is_hopeless: bool,
    planned: Option<Instant>,
}

impl Searcher {
    pub const fn new(tenant: TenantId, context: SearchContext) -> Self {
        Self { tenant, context, failures: 0, only: None, is_hopeless: false, planned: None }
    }

    /// Passes again and again, and plans what is due; indefinitely. Begins after a while, or when somebody asks for days.
    pub async fn run(mut self, mut wait: Duration) -> Result<(), LedgerError> {
        let mut requested = self.context.requested.subscribe();
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                // Never closed: `self` has the other end.
                _ = requested.changed() => {}
            }
            wait = match self.plan().await {
                Ok(()) => self.pass_and_tell().await?.unwrap_or(IDLE),
                Err(PassError::Ledger { source }) if source.is_taken() => IDLE,
                Err(PassError::Ledger { source }) => return Err(source),
                Err(PassError::Graph { source }) => self.told(&source),
            };
        }
    }

    /// Passes until the days of a task have been compared, or cannot be for a reason that does not pass.
    pub async fn run_task(mut self, task: SearchTask) -> Result<(), LedgerError> {
        self.only = Some(task);
        loop {
            match request(&self.context, self.tenant, task).await {
                Ok(()) => break,
                Err(RequestError::Ledger { source }) => return Err(source),
                Err(RequestError::Graph { source }) => {
                    let wait = self.told(&source);
                    if self.gives_up() {
                        return Ok(());
                    }
                    sleep(wait).await;
                }
            }
        }
        while let Some(wait) = self.pass_and_tell().await? {
            if self.gives_up() {
                return Ok(());
            }
            sleep(wait).await;
        }
        Ok(())
    }

    /// Whether a run that should end does so without having come to its end.
    const fn gives_up(&self) -> bool {
        self.is_hopeless || self.failures >= TRIES_ONCE
    }

    /// A pass; reports its success or failure. Returns when the next one is due; `None` when no day is under way.
    async fn pass_and_tell(&mut self) -> Result<Option<Duration>, LedgerError> {
        match self.pass().await {
            Ok(wait) => {
                (self.failures, self.is_hopeless) = (0, false);
                feed_recovered(&self.context.progress, self.feed(), Stage::Listing);
                Ok(wait)
            }
            // The next pass begins with what is known then; this searcher ends with the tenant.
            Err(PassError::Ledger { source }) if source.is_taken() => Ok(None),
            Err(PassError::Ledger { source }) => Err(source),
            Err(PassError::Graph { source }) => Ok(Some(self.told(&source))),
        }
    }

    /// Reports a failure; returns how long to wait.
    fn told(&mut self, error: &GraphError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.is_hopeless = error.failure.concerns_the_tenant();
        feed_failed(&self.context.progress, self.feed(), Stage::Listing, error.failure.code(), &error.to_string());
        TROUBLE.wait(self.failures)
    }

    const fn feed(&self) -> Feed {
        Feed { tenant: self.tenant, content_type: ContentType::AuditLogQuery }
    }

    fn now(&self) -> DateTime<Utc> {
        self.context.client.clock().now()
    }

    /// Asks for the comparison of days that are due.
    async fn plan(&mut self) -> Result<(), PassError> {
        // It looks at half a year, and days come one by one.
        if self.planned.is_some_and(|last| last.elapsed() < IDLE) {
            return Ok(());
        }
        let ledger = &self.context.ledger;
        let wanted = self.context.options.wanted;
        if !wanted.verify && !wanted.heal {
            return Ok(());
        }
        let room = MOST_OPEN.saturating_sub(ledger.open_days(Some(self.tenant)).await?.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.now();
        let range = ((now - wanted.max_gap).date_naive(), now.date_naive());
        let summary = ledger.summary().await?.into_iter().collect();
        let content_types = &self.context.options.content_types;
        let knowledge = Knowledge::of(&**ledger, self.tenant, content_types, range, &summary).await?;
        self.tell(&knowledge, now);
        if knowledge.due_days(wanted, &[], now).is_empty() {
            return Ok(());
        }
        let hidden = self.hidden().await?;
        for day in knowledge.due_days(wanted, &hidden, now).into_iter().take(room) {
            self.request(day, wanted.heal, &hidden).await?;
        }
        self.planned = Some(Instant::now());
        Ok(())
    }

    /// The content types of which a search shows nothing.
    async fn hidden(&self) -> Result<Vec<ContentType>, PassError> {
        Ok(hidden(&self.context, self.tenant).await?)
    }

    /// Tells how the last days are doing.
    fn tell(&self, knowledge: &Knowledge, now: DateTime<Utc>) {
        let Some(first) = knowledge.live.began.and_then(|began| began.date_naive().succ_opt()) else { return };
        let through = (now - RIPE).date_naive().pred_opt().unwrap_or_default();
        let range = (first.max((now - TOLD).date_naive()), through);
        let tenants = BTreeMap::from([(self.tenant, None)]);
        telemetry::coverage(
            &Report::new(&tenants, range, knowledge.days.values().cloned().collect(), now),
            self.tenant,
        );
    }

    async fn request(&self, day: NaiveDate, heals: bool, hidden: &[ContentType]) -> Result<(), LedgerError> {
        let of = AuditDay { tenant: self.tenant, day };
        let (scopes, hidden, at) = (scopes_of(day), hidden.to_vec(), self.now());
        if self.context.ledger.request_day(DayRequest { of, heals, scopes, hidden, at }).await? {
            telemetry::day_requested(of, heals);
        }
        Ok(())
    }

    /// Takes every search that is under way a step further, as far as that is possible now.
    async fn pass(&self) -> Result<Option<Duration>, PassError> {
        let mut days = self.context.ledger.open_days(Some(self.tenant)).await?;
        if let Some(SearchTask { from, through, .. }) = self.only {
            // Others were asked for by somebody who does not wait here.
            days.retain(|day| (from..=through).contains(&day.of.day));
        }
        if days.is_empty() {
            return Ok(None);
        }
        // An application that may search nothing need not ask for anything to know it.
        self.hidden().await?;
        let of_day = |day: &'_ DayRecord| day.searches.clone();
        let searches: Vec<(&DayRecord, Search)> =
            days.iter().flat_map(|day| of_day(day).into_iter().map(move |search| (day, search))).collect();
        let is_with_microsoft =
            |search: &Search| matches!(search.state, SearchState::Creating { .. } | SearchState::Running { .. });
        let mut with_microsoft = searches.iter().filter(|(_, search)| is_with_microsoft(search)).count();
        let (mut wait, mut is_reading) = (LATER, false);
        // Those that Microsoft works on first: what ends makes room.
        for (day, search) in &searches {
            match &search.state {
                SearchState::Creating { name, since } => {
                    self.look_for(day, search, name, *since).await?;
                    wait = wait.min(SOON);
                }
                SearchState::Running { query, since } => {
                    self.look_at(day, search, query, *since).await?;
                    wait = wait.min(match self.now() - *since {
                        age if age < NEW => AT_ONCE_AGAIN,
                        age if age < YOUNG => SOON,
                        _ => LATER,
                    });
                }
                SearchState::Reading { query } => {
                    self.check_reading(day, search, query).await?;
                    is_reading = true;
                }
                SearchState::Planned { .. } => {}
            }
        }
        let mut budget_is_spent = false;
        for (day, search) in &searches {
            let SearchState::Planned { not_before } = search.state else { continue };
            let is_due = not_before.is_none_or(|time| time <= self.now());
            if is_due && with_microsoft < AT_ONCE && !budget_is_spent {
                match self.ask_for(day, search).await? {
                    Asked::Query => {
                        with_microsoft += 1;
                        wait = AT_ONCE_AGAIN;
                    }
                    Asked::Nothing => {}
                    Asked::TooMuch => budget_is_spent = true,
                }
            }
        }
        // Nobody but the ledger is asked then, and somebody may wait for the end.
        Ok(Some(if is_reading && with_microsoft == 0 { AT_ONCE_AGAIN } else { wait }))
    }

    async fn step(&self, day: &DayRecord, search: &Search, step: SearchStep) -> Result<(), LedgerError> {
        self.context.ledger.step_search(day.of, search.number, step).await
    }

    /// Creates a query, within the budget.
    async fn ask_for(&self, day: &DayRecord, search: &Search) -> Result<Asked, PassError> {
        let now = self.now();
        if search.failures >= MOST_FAILURES {
            let problem = day.problem.clone().unwrap_or_else(|| "it has failed too often".to_owned());
            self.step(day, search, SearchStep::GivenUp { problem, at: now }).await?;
            return Ok(Asked::Nothing);
        }
        if let Err(free) = self.context.ledger.spend_query(self.tenant, now, self.context.options.budget).await? {
            telemetry::budget_spent(self.tenant, self.context.options.budget, free);
            // Somebody who waits for it must not take this for a standstill.
            self.context.progress.step();
            self.step(day, search, SearchStep::Replanned { not_before: free, problem: None }).await?;
            return Ok(Asked::TooMuch);
        }
        let name = format!("office365-source {} {}", day.of.day, Uuid::new_v4());
        self.step(day, search, SearchStep::Creating { name: name.clone(), at: now }).await?;
        let scope = &search.scope;
        let query = NewQuery { name, start: scope.start, end: scope.end, record_types: scope.record_types.clone() };
        match self.context.client.create_query(self.tenant, &query).await {
            Ok(query) => {
                self.created(day, search, query).await?;
                Ok(Asked::Query)
            }
            Err(error) => {
                telemetry::query_failed(&error);
                if error.failure.may_have_happened() {
                    // It is looked for in the next pass.
                    return Ok(Asked::Query);
                }
                self.context.ledger.refund_query(self.tenant, now).await?;
                match &*error.failure {
                    GraphFailure::Throttled { wait } => {
                        let not_before = now + time_delta((*wait).max(LATER));
                        self.step(day, search, SearchStep::Replanned { not_before, problem: None }).await?;
                        Ok(Asked::TooMuch)
                    }
                    failure if failure.concerns_the_tenant() => {
                        self.step(day, search, SearchStep::Replanned { not_before: now, problem: None }).await?;
                        Err(error.into())
                    }
                    // Microsoft Entra has no time, or cannot be reached.
                    GraphFailure::Token(_) => {
                        let not_before = now + time_delta(LATER);
                        self.step(day, search, SearchStep::Replanned { not_before, problem: None }).await?;
                        Ok(Asked::TooMuch)
                    }
                    GraphFailure::Refused { .. } if search.scope.record_types.len() > 1 => {
                        // Microsoft Graph does not know one of the names: the others must not suffer for it.
                        if let Some(Split { into, problem }) = search.scope.split() {
                            self.step(day, search, SearchStep::Split { into, problem }).await?;
                        }
                        Ok(Asked::Nothing)
                    }
                    _ => {
                        self.fail(day, search, error.to_string()).await?;
                        Ok(Asked::Nothing)
                    }
                }
            }
        }
    }

    async fn created(&self, day: &DayRecord, search: &Search, query: Query) -> Result<(), LedgerError> {
        telemetry::query_created(day.of, &query.id);
        self.context.progress.step();
        self.step(day, search, SearchStep::Created { query: query.id, at: self.now() }).await
    }

    /// Looks for a query whose creation was not answered.
    async fn look_for(
        &self,
        day: &DayRecord,
        search: &Search,
        name: &str,
        since: DateTime<Utc>,
    ) -> Result<(), PassError> {
        match self.context.client.find_query(self.tenant, name).await {
            Ok(Some(query)) => Ok(self.created(day, search, query).await?),
            Ok(None) if self.now() - since < UNLISTED => Ok(()),
            Ok(None) => Ok(self.fail(day, search, "the creation of its query was not answered".to_owned()).await?),
            Err(error) => self.later(day, search, since, error).await,
        }
    }

    /// Looks how far a query is.
    async fn look_at(
        &self,
        day: &DayRecord,
        search: &Search,
        query: &str,
        since: DateTime<Utc>,
    ) -> Result<(), PassError> {
        let found = match self.context.client.get_query(self.tenant, query).await {
            Ok(found) => found,
            Err(error) if matches!(*error.failure, GraphFailure::Gone(_)) => {
                return Ok(self.fail(day, search, error.to_string()).await?);
            }
            Err(error) => return self.later(day, search, since, error).await,
        };
        self.context.progress.step();
        match found.status {
            QueryStatus::Succeeded if found.is_cut => {
                telemetry::query_cut(day.of, query);
                let step = match search.scope.split() {
                    Some(Split { into, problem }) => SearchStep::Split { into, problem },
                    None => SearchStep::GivenUp {
                        problem: "it finds more records than a query shows, however short its time".to_owned(),
                        at: self.now(),
                    },
                };
                self.step(day, search, step).await?;
                self.delete(query).await;
            }
            QueryStatus::Succeeded => self.read(day, search, query).await?,
            QueryStatus::Failed | QueryStatus::Cancelled => {
                let was_cancelled = found.status == QueryStatus::Cancelled;
                let problem =
                    if was_cancelled { "its query was cancelled" } else { "Microsoft could not carry its query out" };
                self.fail(day, search, problem.to_owned()).await?;
                self.delete(query).await;
            }
            QueryStatus::NotStarted | QueryStatus::Running | QueryStatus::Unknown => {
                if self.now() - since > STUCK {
                    self.fail(day, search, format!("its query has worked for {} hours", STUCK.num_hours())).await?;
                    self.delete(query).await;
                }
            }
        }
        Ok(())
    }

    /// Makes the records of a query pending content.
    async fn read(&self, day: &DayRecord, search: &Search, query: &str) -> Result<(), LedgerError> {
        let now = self.now();
        let content = ContentRef {
            feed: self.feed(),
            content_id: searched_content_id(query),
            content_uri: String::new(),
            created: now,
            expiration: None,
        };
        self.context.ledger.read_search(day.of, search.number, content, now).await?;
        telemetry::query_finished(day.of, query);
        self.context.work.announce(self.feed());
        Ok(())
    }

    /// Content that was given up is read by nobody.
    async fn check_reading(&self, day: &DayRecord, search: &Search, query: &str) -> Result<(), LedgerError> {
        let key = BlobKey { feed: self.feed(), content_id: searched_content_id(query) };
        if !self.context.ledger.is_pending(key).await? {
            self.fail(day, search, "its records were given up".to_owned()).await?;
        }
        Ok(())
    }

    /// A search has failed: it begins anew after a while, or is given up.
    async fn fail(&self, day: &DayRecord, search: &Search, problem: String) -> Result<(), LedgerError> {
        let (failures, now) = (search.failures.saturating_add(1), self.now());
        telemetry::search_failed(day.of, &problem, failures);
        let step = if failures >= MOST_FAILURES {
            SearchStep::GivenUp { problem, at: now }
        } else {
            let not_before = now + time_delta(FAILURES.wait(failures));
            SearchStep::Replanned { not_before, problem: Some(problem) }
        };
        self.step(day, search, step).await
    }

    /// What cannot be asked now is asked in a later pass, but not indefinitely.
    async fn later(
        &self,
        day: &DayRecord,
        search: &Search,
        since: DateTime<Utc>,
        error: GraphError,
    ) -> Result<(), PassError> {
        telemetry::query_failed(&error);
        if error.failure.concerns_the_tenant() {
            return Err(error.into());
        }
        if self.now() - since > STUCK && !error.failure.may_pass() {
            self.fail(day, search, error.to_string()).await?;
        }
        Ok(())
    }

    /// Takes a query away that is done with. If that fails, Microsoft does it some day.
    async fn delete(&self, query: &str) {
        if let Err(error) = self.context.client.delete_query(self.tenant, query).await {
            telemetry::query_left(&error);
        }
    }
}

/// What came of asking for a query.
enum Asked {
    /// There is one, or there may be.
    Query,
    /// There is none; another search may have one.
    Nothing,
    /// No more for now.
    TooMuch,
}

fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
