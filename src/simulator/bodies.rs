//! Which event stands where, and how a blob's body is written.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    SimulatedTenant, SimulatorConfig,
    dice::Dice,
    events::{self, Scene},
    timeline::Timeline,
};
use crate::content::Feed;

/// An event is some minutes to an hour old when its blob appears (MSTRB: "typically 60 to 90 minutes").
const YOUNGEST_EVENT: TimeDelta = TimeDelta::minutes(2);

/// No event is this much older than the blob it first appears in.
pub(super) const OLDEST_EVENT: TimeDelta = TimeDelta::minutes(63);

/// The place of an event: its blob, and its position there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    pub feed: Feed,
    pub number: u64,
    pub event: u32,
}

/// Writes events into slots.
pub(super) struct Author {
    seed: Dice,
    duplicates: f64,
    tenants: Vec<SimulatedTenant>,
}

impl Author {
    pub fn new(config: &SimulatorConfig) -> Self {
        Self { seed: Dice::new(config.seed), duplicates: config.faults.duplicates, tenants: config.tenants.clone() }
    }

    /// The slot whose event this slot shows: itself, or for a repeated event the one that was there first.
    pub fn origin(&self, timelines: &BTreeMap<Feed, Timeline>, slot: Slot) -> Slot {
        let mut slot = slot;
        // Each step leads to a lower blob number, so this ends.
        while let Some(earlier) = self.repeats(timelines, slot) {
            slot = earlier;
        }
        slot
    }

    /// The earlier slot of which this one is a repetition, if it is one.
    fn repeats(&self, timelines: &BTreeMap<Feed, Timeline>, slot: Slot) -> Option<Slot> {
        let dice = self.dice(slot).of("repeats", 0);
        if slot.number == 0 || !dice.chance(self.duplicates) {
            return None;
        }
        let own_tenant: Vec<_> = timelines.values().filter(|other| other.feed.tenant == slot.feed.tenant).collect();
        // Half of them stay in their feed, the others turn up under another content type; the day is any earlier one.
        let other = usize::try_from(dice.of("other", 0).below(own_tenant.len() as u64)).ok()?;
        let timeline =
            if dice.of("feed", 0).chance(0.5) { timelines.get(&slot.feed)? } else { *own_tenant.get(other)? };
        let number = dice.of("number", 0).below(slot.number);
        let events = timeline.events(number);
        let event = u32::try_from(dice.of("event", 0).below(u64::from(events))).ok()?;
        (events > 0).then_some(Slot { feed: timeline.feed, number, event })
    }

    /// The `Id` of the event that originates in a slot.
    pub fn id(&self, slot: Slot) -> Uuid {
        self.dice(slot).of("id", 0).uuid()
    }

    /// A body with the first `events` events of a blob.
    pub fn body(&self, timelines: &BTreeMap<Feed, Timeline>, feed: Feed, number: u64, events: u32) -> Bytes {
        let mut body = String::with_capacity(2048 * events as usize + 2);
        body.push('[');
        for event in 0..events {
            if event > 0 {
                body.push(',');
            }
            let slot = Slot { feed, number, event };
            let origin = self.origin(timelines, slot);
            let created = timelines.get(&origin.feed).map_or(DateTime::UNIX_EPOCH, |of| of.created(origin.number));
            let record = self.write(origin, created);
            if origin == slot {
                let _infallible = write!(body, "{record}");
            } else {
                write_reordered(&mut body, &record);
            }
        }
        body.push(']');
        Bytes::from(body)
    }

    /// When the event that originates in a slot happened, in whole seconds as `CreationTime` gives it.
    pub fn occurred(&self, slot: Slot, blob_created: DateTime<Utc>) -> DateTime<Utc> {
        let within = i64::try_from(self.dice(slot).of("age", 0).below(3600)).unwrap_or_default();
        (blob_created - YOUNGEST_EVENT - TimeDelta::seconds(within)).trunc_subsecs(0)
    }

    /// The record of the event that originates in a slot.
    pub fn write(&self, slot: Slot, blob_created: DateTime<Utc>) -> Value {
        let Some(tenant) = self.tenants.iter().find(|tenant| tenant.id == slot.feed.tenant) else { return Value::Null };
        let scene =
            Scene::new(tenant, self.id(slot), self.occurred(slot, blob_created), self.dice(slot).of("scene", 0));
        events::write(slot.feed.content_type, scene)
    }

    fn dice(&self, slot: Slot) -> Dice {
        self.seed
            .of_uuid("tenant", slot.feed.tenant.0)
            .of(slot.feed.content_type.as_str(), slot.number)
            .of("event", u64::from(slot.event))
    }
}

/// Writes an object with its members in another order: the order is not stable between two deliveries of the same event
/// (ddbnl/office365-audit-log-collector#75), so its text is no identity.
fn write_reordered(body: &mut String, record: &Value) {
    let Value::Object(members) = record else {
        let _infallible = write!(body, "{record}");
        return;
    };
    body.push('{');
    for (position, (name, value)) in members.iter().rev().enumerate() {
        let separator = if position > 0 { "," } else { "" };
        let _infallible = write!(body, "{separator}{}:{value}", Value::from(name.as_str()));
    }
    body.push('}');
}
