//! Where, when and among whom an event takes place.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, rngs::SmallRng};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{
    SimulatedTenant,
    dice::{self, Dice},
};

/// All that an event is made from. The same scene always yields the same event.
pub(in crate::simulator) struct Scene<'a> {
    pub tenant: &'a SimulatedTenant,
    id: Uuid,
    at: DateTime<Utc>,
    rng: SmallRng,
}

/// A user of the tenant. Users keep their ids from event to event.
pub(in crate::simulator) struct Person {
    pub upn: String,
    pub display_name: &'static str,
    pub object_id: String,
    /// The passport unique id, which `UserKey` often is.
    pub puid: String,
}

/// What the Common schema asks of every record, apart from what the scene knows itself.
pub(in crate::simulator) struct Common<'a> {
    pub record_type: u32,
    pub workload: &'a str,
    pub operation: &'a str,
    pub user_type: u32,
    pub user_id: &'a str,
    pub user_key: &'a str,
}

/// The sensitivity labels of every tenant, with their names.
pub(super) const LABELS: [(&str, &str); 3] = [
    ("73c34fb7-868e-5944-8dad-6d3b68379734", "Confidential"),
    ("adf60b4e-8a8f-5346-bf45-c7f41c8d75d3", r"Highly Confidential\All Employees"),
    ("e6ba4baa-1a7a-5a64-a814-44884dfd6dc9", "Public"),
];

const PEOPLE: [&str; 12] = [
    "Adele Vance",
    "Alex Wilber",
    "Diego Siciliani",
    "Grady Archie",
    "Henrietta Mueller",
    "Isaiah Langer",
    "Johanna Lorenz",
    "Joni Sherman",
    "Lee Gu",
    "Miriam Graham",
    "Nestor Wilke",
    "Zoë Ångström",
];

/// Networks reserved for documentation (RFC 5737).
const NETWORKS: [&str; 3] = ["192.0.2", "198.51.100", "203.0.113"];

impl<'a> Scene<'a> {
    pub fn new(tenant: &'a SimulatedTenant, id: Uuid, at: DateTime<Utc>, dice: Dice) -> Self {
        Self { tenant, id, at, rng: dice.rng() }
    }

    /// A record: the common members, then those of its workload.
    pub fn record(&self, common: &Common<'_>, details: Value) -> Value {
        let mut record = json!({
            "Id": self.id.to_string(),
            "CreationTime": self.time(),
            "OrganizationId": self.tenant.id.to_string(),
            "RecordType": common.record_type,
            "Operation": common.operation,
            "UserType": common.user_type,
            "UserKey": common.user_key,
            "UserId": common.user_id,
            "Workload": common.workload,
            "Version": 1,
        });
        if let (Some(record), Value::Object(details)) = (record.as_object_mut(), details) {
            record.extend(details);
        }
        record
    }

    /// `CreationTime`: UTC without saying so.
    pub fn time(&self) -> String {
        self.at.format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// A time some seconds before the event.
    pub fn earlier(&mut self, at_most: i64) -> String {
        let before = TimeDelta::seconds(self.below(at_most));
        (self.at - before).format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    pub fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.rng.random_range(0..N)]
    }

    pub fn below(&mut self, limit: i64) -> i64 {
        self.rng.random_range(0..limit.max(1))
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        dice::chance(&mut self.rng, probability)
    }

    pub fn guid(&mut self) -> String {
        dice::uuid(&mut self.rng).to_string()
    }

    pub fn person(&mut self) -> Person {
        let display_name = self.pick(PEOPLE);
        let dice = Dice::new(0).of_uuid("person", self.tenant.id.0).of(display_name, 0);
        let first = display_name.split(' ').next().unwrap_or_default().to_lowercase().replace('ë', "e");
        let last = display_name.split(' ').nth(1).and_then(|last| last.chars().next());
        let initial = last.map(|c| if c.is_ascii() { c.to_ascii_lowercase() } else { 'a' });
        Person {
            upn: format!("{first}{}@{}", initial.map(String::from).unwrap_or_default(), self.tenant.domain),
            display_name,
            object_id: dice.uuid().to_string(),
            puid: format!("1003{:012X}", dice.of("puid", 0).value() >> 16),
        }
    }

    /// An address outside the organisation.
    pub fn stranger(&mut self) -> String {
        let name = self.pick(["pat", "kim.doe", "sales", "invoice-4711", "newsletter"]);
        format!("{name}@{}", self.pick(["example.com", "example.org", "partner.example.net"]))
    }

    pub fn ipv4(&mut self) -> String {
        format!("{}.{}", self.pick(NETWORKS), 1 + self.below(254))
    }

    pub fn ipv6(&mut self) -> String {
        format!("2001:db8:{:x}::{:x}", self.below(0xffff), self.below(0xffff))
    }

    /// An address in one of the forms that records have it in: with a port, in brackets, mapped, or missing.
    pub fn client_ip(&mut self) -> String {
        let port = 1024 + self.below(64_000);
        match self.below(10) {
            0 => format!("{}:{port}", self.ipv4()),
            1 => format!("[{}]:{port}", self.ipv6()),
            2 => format!("::ffff:{}", self.ipv4()),
            3 => self.ipv6(),
            4 if self.chance(0.3) => "<null>".to_owned(),
            5 if self.chance(0.3) => String::new(),
            _ => self.ipv4(),
        }
    }

    pub fn user_agent(&mut self) -> &'static str {
        self.pick([
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 \
             Safari/537.36 Edg/139.0.0.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
             Safari/605.1.15",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Mobile/15E148 PKeyAuth/1.0",
            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
        ])
    }
}

/// The list of `Name` and `Value` that many members are.
pub(super) fn named<const N: usize>(pairs: [(&str, &str); N]) -> Value {
    pairs.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

/// The list of `Name`, `NewValue` and `OldValue` that `ModifiedProperties` is.
pub(super) fn modified<const N: usize>(changes: [(&str, &str, &str); N]) -> Value {
    changes.iter().map(|(name, new, old)| json!({ "Name": name, "NewValue": new, "OldValue": old })).collect()
}
