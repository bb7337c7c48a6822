//! The audit search, through its routes.

mod courses;
mod faults;
mod holes;
mod refusals;
mod searches;

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use serde_json::json;

use super::*;

const GRAPH: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

/// A client of the search, in a world like that of [`Caller`] with tokens that last.
struct Searcher {
    caller: Caller,
    version: &'static str,
}

impl Searcher {
    async fn new(mut config: SimulatorConfig) -> Self {
        config.token_lifetime = Duration::from_hours(1000);
        let mut caller = Caller::new(config).await;
        caller.token = graph_token(&caller).await;
        Self { caller, version: "v1.0" }
    }

    fn faults(&self, change: impl FnOnce(&mut GraphFaults)) {
        self.caller.simulator.faults().update(|faults| change(&mut faults.graph));
    }

    fn stats(&self) -> Stats {
        self.caller.simulator.stats()
    }

    async fn send(&self, method: Method, below: &str, body: &str) -> Reply {
        let target = format!("/{}/security/auditLog/queries{below}", self.version);
        self.caller.send(method, &target, &[("content-type", "application/json")], body).await
    }

    async fn get(&self, below: &str) -> Reply {
        self.send(Method::GET, below, "").await
    }

    /// Asks for a query of the last `hours`, with other members as given.
    async fn post(&self, hours: i64, members: Value) -> Reply {
        let now = self.caller.clock.now();
        let mut body = json!({
            "displayName": "a search",
            "filterStartDateTime": now - TimeDelta::hours(hours),
            "filterEndDateTime": now,
        });
        if let Value::Object(members) = members {
            body.as_object_mut().unwrap().extend(members);
        }
        self.send(Method::POST, "", &body.to_string()).await
    }

    async fn create(&self, hours: i64, members: Value) -> String {
        let created = self.post(hours, members).await;
        assert_eq!(created.status, 201, "{created:?}");
        text(&created.json()["id"])
    }

    async fn status(&self, id: &str) -> String {
        text(&self.get(&format!("/{id}")).await.json()["status"])
    }

    /// Creates a query and waits until it has succeeded.
    async fn succeed(&self, hours: i64, members: Value) -> String {
        let id = self.create(hours, members).await;
        tokio::time::advance(Duration::from_mins(6)).await;
        assert_eq!(self.status(&id).await, "succeeded");
        id
    }

    /// Reads every page, from the first on.
    async fn pages(&self, id: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut reply = self.get(&format!("/{id}/records")).await.json();
        loop {
            pages.push(reply["value"].as_array().unwrap().clone());
            let Some(next) = reply["@odata.nextLink"].as_str() else { return pages };
            reply = self.follow(next).await.json();
        }
    }

    async fn follow(&self, link: &str) -> Reply {
        let url = Url::parse(link).unwrap();
        let path = &link[url.origin().ascii_serialization().len()..];
        self.caller.send(Method::GET, path, &[], "").await
    }

    async fn records(&self, id: &str) -> Vec<Value> {
        self.pages(id).await.concat()
    }

    async fn ids(&self, id: &str) -> BTreeSet<String> {
        let records = self.records(id).await;
        let ids: BTreeSet<_> = records.iter().map(|record| text(&record["id"])).collect();
        assert_eq!(ids.len(), records.len(), "a search shows each event once");
        ids
    }

    /// The ids of the events of the `hours` before the simulator's start.
    fn searchable(&self, hours: i64) -> BTreeSet<String> {
        let tenant = self.caller.tenant.id;
        self.caller.simulator.oracle().searchable_ids(tenant, origin() - TimeDelta::hours(hours), origin())
    }
}

async fn graph_token(caller: &Caller) -> String {
    text(&ask_token(&caller.simulator, &caller.tenant, &[GRAPH]).await.json()["access_token"])
}
