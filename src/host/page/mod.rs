//! The page: what a source collects and what its events have in common, for people to look at.
//!
//! It is rendered here, without scripts, once a second at the most: all who ask meanwhile get the same bytes. maud escapes what stands in
//! the templates, and compiles in less time than the engines with a language of their own.

mod feeds;
mod labels;
mod layout;
mod links;
mod logons;
mod parts;

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderValue;
use maud::Markup;
use ring::digest::{SHA256, digest};
use tokio::time::Instant;

use crate::{clock::Clock, component::ComponentKey, content::TenantId, insights::Insights, telemetry::Progress};

/// For how long a rendered page is shown.
const FRESH: Duration = Duration::from_secs(1);

/// How often the browser asks for the page again, in seconds.
const REFRESH_SECS: u32 = 10;

const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded, run or sent; only this style counts.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A part of the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tab {
    Feeds,
    Logons,
    Sharepoint,
    Labels,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Feeds, Self::Logons, Self::Sharepoint, Self::Labels];

    pub(super) fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tab| tab.path() == path)
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Feeds => "/",
            Self::Logons => "/logons",
            Self::Sharepoint => "/sharepoint",
            Self::Labels => "/labels",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Feeds => "Collection",
            Self::Logons => "Logon Audit",
            Self::Sharepoint => "SharePoint Audit",
            Self::Labels => "Sensitivity Label Audit",
        }
    }
}

/// What the page shows.
#[derive(Debug)]
pub struct Page {
    sources: Vec<(ComponentKey, Progress)>,
    names: BTreeMap<TenantId, String>,
    insights: Insights,
    clock: Clock,
    since: Instant,
    rendered: Mutex<[Option<(Instant, Bytes)>; Tab::ALL.len()]>,
}

impl Page {
    /// The page of sources. `names` are those of tenants for people.
    pub fn new(
        sources: Vec<(ComponentKey, Progress)>,
        names: BTreeMap<TenantId, String>,
        insights: Insights,
        clock: Clock,
    ) -> Self {
        Self { sources, names, insights, clock, since: Instant::now(), rendered: Mutex::default() }
    }

    /// What may be loaded and run with the page.
    pub(super) fn policy() -> HeaderValue {
        POLICY.clone()
    }

    /// A part of the page, at most a second old.
    pub(super) fn get(&self, tab: Tab) -> Bytes {
        // Held while rendering, so that a thousand requests at once render it once.
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut rendered[tab as usize];
        if let Some((_, bytes)) = place.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return bytes.clone();
        }
        let bytes = Bytes::from(self.render(tab).into_string());
        *place = Some((Instant::now(), bytes.clone()));
        bytes
    }

    fn render(&self, tab: Tab) -> Markup {
        let now: DateTime<Utc> = self.clock.now();
        let body = match tab {
            Tab::Feeds => feeds::body(self, now),
            Tab::Logons => logons::body(&self.insights, now),
            Tab::Sharepoint => links::body(&self.insights, now),
            Tab::Labels => labels::body(&self.insights, now),
        };
        layout::page(tab, now, self.since.elapsed(), &body)
    }
}

#[cfg(test)]
mod tests;
