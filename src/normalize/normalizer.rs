//! From records to events of the schema that was asked for.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    Damages, EventTexts, GeoipDatabases, Origin, RecordMembers, SensitiveTypes, ecs, ocsf, raw, redact::redact,
    spelling::respell, user_agent::UserAgents,
};
use crate::component::{JsonObject, LogEvent};

/// The namespace of the data stream, unless another is configured.
pub const DATA_STREAM_NAMESPACE: &str = "default";

/// The form of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Schema {
    /// The Elastic Common Schema.
    Ecs,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
    /// The record as Microsoft sent it.
    Raw,
}

/// How records become events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NormalizeOptions {
    /// The form of events.
    pub schema: Schema,
    /// Whether events carry the record's text: `event.original` in ECS, `raw_data` in OCSF.
    pub keep_original: bool,
    /// Whether the parts of user agents are parsed, in builds with the feature `user-agent`.
    pub user_agents: bool,
    /// Whether the values that data loss prevention has detected are replaced before anything is made of a record.
    pub redact: bool,
    /// `data_stream.namespace` in ECS.
    pub data_stream_namespace: Cow<'static, str>,
}

impl NormalizeOptions {
    /// The defaults of a configuration with this schema.
    pub const fn new(schema: Schema) -> Self {
        Self {
            schema,
            keep_original: false,
            user_agents: true,
            redact: true,
            data_stream_namespace: Cow::Borrowed(DATA_STREAM_NAMESPACE),
        }
    }
}

/// What was made of a record.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its event.
    pub event: LogEvent,
    /// What of it could not be read.
    pub damages: Damages,
    /// Whether it held values that data loss prevention had detected, which were replaced.
    pub redacted: bool,
}

/// Makes events of records.
#[derive(Clone, Debug)]
pub struct Normalizer {
    options: NormalizeOptions,
    user_agents: Option<Arc<UserAgents>>,
}

/// What a mapping needs beside the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// The tenant's domain.
    pub(crate) domain: Option<&'a str>,
    /// `o365.content` as JSON text; empty without any.
    pub(crate) content: &'a str,
    /// When the content was created.
    pub(crate) created: Option<DateTime<Utc>>,
    /// When the event is made.
    pub(crate) ingested: DateTime<Utc>,
    /// The record's text as it came, if the event carries it.
    pub(crate) original: Option<&'a str>,
    /// What reads user agents.
    pub(crate) user_agents: Option<&'a UserAgents>,
    /// The tenant's sensitive information types, if they are known.
    pub(crate) sensitive_types: Option<&'a SensitiveTypes>,
    /// Where addresses are, if that is known.
    pub(crate) geoip: Option<&'a GeoipDatabases>,
    /// The namespace of the data stream.
    pub(crate) namespace: &'a str,
}

/// What a mapped record comes to beside its text.
#[derive(Clone, Debug)]
pub(crate) struct Normalized {
    /// The event's time.
    pub(crate) time: DateTime<Utc>,
    /// What could not be read.
    pub(crate) damages: Damages,
}

impl Context<'_> {
    /// The time of an event whose record has none: the best that is known, because both schemas require one.
    pub(crate) fn fallback_time(&self) -> DateTime<Utc> {
        self.created.unwrap_or(self.ingested)
    }
}

impl Normalizer {
    /// A normaliser.
    pub fn new(options: NormalizeOptions) -> Self {
        // Raw events need no patterns.
        let wanted = options.user_agents && options.schema != Schema::Raw;
        Self { options, user_agents: wanted.then(|| Arc::new(UserAgents::new())) }
    }

    /// Whether events have the names of sensitive information types, if an origin has them.
    pub fn names_sensitive_types(&self) -> bool {
        self.options.schema != Schema::Raw
    }

    /// Whether events have text of their own instead of sharing the record's.
    pub fn copies(&self) -> bool {
        self.options.schema != Schema::Raw
    }

    /// Whether the values that data loss prevention has detected are replaced.
    pub(super) const fn redacts(&self) -> bool {
        self.options.redact
    }

    /// The event of a record, made at `now`. Every record makes an event.
    pub fn event(&self, record: JsonObject, members: &RecordMembers, origin: &Origin, now: DateTime<Utc>) -> Made {
        self.event_among(&mut EventTexts::alone(), record, members, origin, now)
    }

    /// As [`event`](Self::event), for one of several events that are sent together.
    pub fn event_among(
        &self,
        texts: &mut EventTexts,
        record: JsonObject,
        members: &RecordMembers,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Made {
        let without_values = if self.options.redact { redact(&record) } else { None };
        let redacted = without_values.is_some();
        let record = without_values.unwrap_or(record);
        let (mut event, damages) = match self.mapped(texts, &record, origin, now) {
            Some((event, damages)) => (event, damages),
            None => (raw::event(record, members, origin), Damages::default()),
        };
        *event.metadata_mut() = origin.metadata.clone();
        Made { event, damages, redacted }
    }

    /// The event in a schema other than raw.
    fn mapped(
        &self,
        texts: &mut EventTexts,
        record: &JsonObject,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Option<(LogEvent, Damages)> {
        if self.options.schema == Schema::Raw {
            return None;
        }
        let original = self.options.keep_original.then(|| record.as_str().trim());
        let respelt = respell(record);
        let record = respelt.as_ref().unwrap_or(record);
        let context = Context {
            domain: origin.domain.as_deref(),
            content: &origin.content,
            created: origin.created,
            ingested: now,
            original,
            user_agents: self.user_agents.as_deref(),
            sensitive_types: origin.sensitive_types.as_deref(),
            geoip: origin.geoip.as_deref(),
            namespace: &self.options.data_stream_namespace,
        };
        let Normalized { time, damages } = match self.options.schema {
            Schema::Raw => return None,
            Schema::Ecs => ecs::document(record, &context, &mut texts.draft),
            Schema::Ocsf => ocsf::event(record, &context, &mut texts.draft),
        };
        // The mappings write text of valid UTF-8 only.
        let event = LogEvent::from(JsonObject::written(texts.keep()).ok()?);
        let event = match self.options.schema {
            Schema::Ocsf => event.with_time(time),
            Schema::Ecs | Schema::Raw => event.with_timestamp("@timestamp", time),
        };
        Some((event, damages))
    }
}
