//! The fields of the Elastic Common Schema that events can have.

use std::{iter, sync::LazyLock};

/// How a field is indexed, in ECS's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldType {
    /// Exact text.
    Keyword,
    /// Exact texts, always in a list.
    Keywords,
    /// Exact text; a list where there are several.
    OneOrMore,
    /// Human-readable text.
    Text,
    /// An IP address.
    Ip,
    /// IP addresses.
    Ips,
    /// A whole number.
    Long,
    /// A time in RFC 3339.
    Date,
    /// A latitude and a longitude in degrees, in an object.
    GeoPoint,
    /// Exact text that is the same in all documents of an index.
    Constant,
    /// Objects.
    Nested,
}

impl FieldType {
    /// The type as ECS names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Keywords => "keyword, list",
            Self::OneOrMore => "keyword, list if several",
            Self::Text => "match_only_text",
            Self::Ip => "ip",
            Self::Ips => "ip, list",
            Self::Long => "long",
            Self::Date => "date",
            Self::GeoPoint => "geo_point",
            Self::Constant => "constant_keyword",
            Self::Nested => "nested",
        }
    }
}

/// One field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field(u8);

macro_rules! fields {
    ($($name:ident = $path:literal : $kind:ident;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "only counts the fields")]
        enum Position { $($name,)* }

        impl Field {
            $(
                #[doc = concat!("`", $path, "`")]
                pub const $name: Self = Self(Position::$name as u8);
            )*

            /// All fields, in the order in which they are written: members of the same object stand together.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }

        static FIELDS: &[(&str, FieldType)] = &[$(($path, FieldType::$kind),)*];
    };
}

fields! {
    TIMESTAMP = "@timestamp": Date;
    APPLICATION_ID = "application.id": Keyword;
    APPLICATION_NAME = "application.name": Keyword;
    CLIENT_ADDRESS = "client.address": Keyword;
    CLIENT_AS_NUMBER = "client.as.number": Long;
    CLIENT_AS_ORGANIZATION_NAME = "client.as.organization.name": Keyword;
    CLIENT_DOMAIN = "client.domain": Keyword;
    CLIENT_GEO_CITY_NAME = "client.geo.city_name": Keyword;
    CLIENT_GEO_CONTINENT_CODE = "client.geo.continent_code": Keyword;
    CLIENT_GEO_CONTINENT_NAME = "client.geo.continent_name": Keyword;
    CLIENT_GEO_COUNTRY_ISO_CODE = "client.geo.country_iso_code": Keyword;
    CLIENT_GEO_COUNTRY_NAME = "client.geo.country_name": Keyword;
    CLIENT_GEO_LOCATION = "client.geo.location": GeoPoint;
    CLIENT_GEO_POSTAL_CODE = "client.geo.postal_code": Keyword;
    CLIENT_GEO_REGION_ISO_CODE = "client.geo.region_iso_code": Keyword;
    CLIENT_GEO_REGION_NAME = "client.geo.region_name": Keyword;
    CLIENT_GEO_TIMEZONE = "client.geo.timezone": Keyword;
    CLIENT_IP = "client.ip": Ip;
    CLIENT_PORT = "client.port": Long;
    DATA_STREAM_DATASET = "data_stream.dataset": Constant;
    DATA_STREAM_NAMESPACE = "data_stream.namespace": Constant;
    DATA_STREAM_TYPE = "data_stream.type": Constant;
    DESTINATION_ADDRESS = "destination.address": Keyword;
    DESTINATION_DOMAIN = "destination.domain": Keyword;
    DESTINATION_IP = "destination.ip": Ip;
    DESTINATION_USER_DOMAIN = "destination.user.domain": Keyword;
    DESTINATION_USER_EMAIL = "destination.user.email": Keywords;
    DESTINATION_USER_ID = "destination.user.id": Keyword;
    DESTINATION_USER_NAME = "destination.user.name": Keyword;
    DEVICE_ID = "device.id": Keyword;
    ECS_VERSION = "ecs.version": Keyword;
    EMAIL_ATTACHMENTS = "email.attachments": Nested;
    EMAIL_FROM_ADDRESS = "email.from.address": Keywords;
    EMAIL_LOCAL_ID = "email.local_id": Keywords;
    EMAIL_MESSAGE_ID = "email.message_id": Keywords;
    EMAIL_SENDER_ADDRESS = "email.sender.address": Keywords;
    EMAIL_SUBJECT = "email.subject": Keywords;
    EMAIL_TO_ADDRESS = "email.to.address": Keywords;
    ERROR_MESSAGE = "error.message": Text;
    EVENT_ACTION = "event.action": Keyword;
    EVENT_CATEGORY = "event.category": Keywords;
    EVENT_CODE = "event.code": Keyword;
    EVENT_DATASET = "event.dataset": Keyword;
    EVENT_ID = "event.id": Keyword;
    EVENT_INGESTED = "event.ingested": Date;
    EVENT_KIND = "event.kind": Keyword;
    EVENT_MODULE = "event.module": Keyword;
    EVENT_ORIGINAL = "event.original": Keyword;
    EVENT_OUTCOME = "event.outcome": Keyword;
    EVENT_PROVIDER = "event.provider": Keyword;
    EVENT_REASON = "event.reason": Keyword;
    EVENT_SEVERITY = "event.severity": Long;
    EVENT_TYPE = "event.type": Keywords;
    FILE_DIRECTORY = "file.directory": Keyword;
    FILE_EXTENSION = "file.extension": Keyword;
    FILE_HASH_SHA1 = "file.hash.sha1": Keyword;
    FILE_HASH_SHA256 = "file.hash.sha256": Keyword;
    FILE_INODE = "file.inode": Keyword;
    FILE_MTIME = "file.mtime": Date;
    FILE_NAME = "file.name": Keywords;
    FILE_OWNER = "file.owner": Keyword;
    FILE_PATH = "file.path": Keyword;
    FILE_SIZE = "file.size": Long;
    GEN_AI_AGENT_ID = "gen_ai.agent.id": Keyword;
    GEN_AI_AGENT_NAME = "gen_ai.agent.name": Keyword;
    GEN_AI_RESPONSE_MODEL = "gen_ai.response.model": Keywords;
    GROUP_ID = "group.id": Keyword;
    GROUP_NAME = "group.name": Keyword;
    HOST_ID = "host.id": Keyword;
    HOST_NAME = "host.name": Keyword;
    HOST_OS_PLATFORM = "host.os.platform": Keyword;
    HOST_OS_TYPE = "host.os.type": Keyword;
    MESSAGE = "message": Text;
    META_SRC_HOST = "meta.src.host": Keyword;
    NETWORK_TYPE = "network.type": Keyword;
    ORGANIZATION_ID = "organization.id": Keyword;
    ORGANIZATION_NAME = "organization.name": Keyword;
    PROCESS_NAME = "process.name": Keyword;
    RELATED_HASH = "related.hash": Keywords;
    RELATED_HOSTS = "related.hosts": Keywords;
    RELATED_IP = "related.ip": Ips;
    RELATED_USER = "related.user": Keywords;
    RULE_CATEGORY = "rule.category": Keyword;
    RULE_DESCRIPTION = "rule.description": Keyword;
    RULE_ID = "rule.id": Keywords;
    RULE_NAME = "rule.name": Keywords;
    RULE_REFERENCE = "rule.reference": Keywords;
    RULE_RULESET = "rule.ruleset": Keyword;
    SERVER_ADDRESS = "server.address": Keyword;
    SERVER_DOMAIN = "server.domain": Keyword;
    SERVER_IP = "server.ip": Ip;
    SESSION_ID = "session.id": Keyword;
    SOURCE_AS_NUMBER = "source.as.number": Long;
    SOURCE_AS_ORGANIZATION_NAME = "source.as.organization.name": Keyword;
    SOURCE_GEO_CITY_NAME = "source.geo.city_name": Keyword;
    SOURCE_GEO_CONTINENT_CODE = "source.geo.continent_code": Keyword;
    SOURCE_GEO_CONTINENT_NAME = "source.geo.continent_name": Keyword;
    SOURCE_GEO_COUNTRY_ISO_CODE = "source.geo.country_iso_code": Keyword;
    SOURCE_GEO_COUNTRY_NAME = "source.geo.country_name": Keyword;
    SOURCE_GEO_LOCATION = "source.geo.location": GeoPoint;
    SOURCE_GEO_POSTAL_CODE = "source.geo.postal_code": Keyword;
    SOURCE_GEO_REGION_ISO_CODE = "source.geo.region_iso_code": Keyword;
    SOURCE_GEO_REGION_NAME = "source.geo.region_name": Keyword;
    SOURCE_GEO_TIMEZONE = "source.geo.timezone": Keyword;
    SOURCE_IP = "source.ip": Ip;
    SOURCE_PORT = "source.port": Long;
    SOURCE_USER_DOMAIN = "source.user.domain": Keyword;
    SOURCE_USER_EMAIL = "source.user.email": Keyword;
    SOURCE_USER_NAME = "source.user.name": Keyword;
    TOKEN_ID = "token.id": Keyword;
    URL_DOMAIN = "url.domain": Keyword;
    URL_ORIGINAL = "url.original": Keywords;
    USER_DOMAIN = "user.domain": Keyword;
    USER_EMAIL = "user.email": Keyword;
    USER_FULL_NAME = "user.full_name": Keyword;
    USER_ID = "user.id": Keyword;
    USER_NAME = "user.name": Keyword;
    USER_TARGET_DOMAIN = "user.target.domain": OneOrMore;
    USER_TARGET_EMAIL = "user.target.email": OneOrMore;
    USER_TARGET_ID = "user.target.id": OneOrMore;
    USER_TARGET_NAME = "user.target.name": OneOrMore;
    USER_TARGET_ROLES = "user.target.roles": Keywords;
    USER_AGENT_NAME = "user_agent.name": Keyword;
    USER_AGENT_ORIGINAL = "user_agent.original": Keyword;
    USER_AGENT_OS_FULL = "user_agent.os.full": Keyword;
    USER_AGENT_OS_NAME = "user_agent.os.name": Keyword;
    USER_AGENT_OS_VERSION = "user_agent.os.version": Keyword;
    USER_AGENT_VERSION = "user_agent.version": Keyword;
    // Ours, beside `o365.audit`, `o365.content` and `o365.label`.
    O365_LABEL_ACTION = "o365.label.action": Keyword;
    O365_LABEL_ID = "o365.label.id": OneOrMore;
    O365_LABEL_JUSTIFICATION = "o365.label.justification": Keyword;
    O365_LABEL_NAME = "o365.label.name": Keyword;
    O365_LABEL_OLD_ID = "o365.label.old_id": Keyword;
}

impl Field {
    /// The position of the first of our own fields.
    pub(super) const FIRST_OF_O365: usize = Self::O365_LABEL_ACTION.position();

    /// The field's path, with dots.
    pub fn path(self) -> &'static str {
        FIELDS.get(self.position()).map_or("", |(path, _)| path)
    }

    /// How the field is indexed.
    pub fn field_type(self) -> FieldType {
        FIELDS.get(self.position()).map_or(FieldType::Keyword, |(_, kind)| *kind)
    }

    /// What is written of all fields, in their order.
    pub(super) fn written() -> &'static [Written] {
        static ALL: LazyLock<Vec<Written>> = LazyLock::new(|| {
            let (others, ours) = FIELDS.split_at(Field::FIRST_OF_O365);
            let after = |first: &'static str, fields: &'static [(&'static str, FieldType)]| {
                let before = iter::once(first).chain(fields.iter().map(|(path, _)| *path));
                before.zip(fields).map(|(before, (path, _))| Written::new(path, before))
            };
            // Before our own fields, what is left of the record stands in the same object.
            after("", others).chain(after("o365.content", ours)).collect()
        });
        &ALL
    }

    pub(super) const fn position(self) -> usize {
        self.0 as usize
    }
}

/// A field's path in the form that is written.
#[derive(Debug)]
pub(super) struct Written {
    /// How many objects the field is in.
    pub(super) depth: usize,
    /// How many of those the field before it is in as well.
    pub(super) shared: usize,
    /// The path as JSON from each of those objects on: `"a":{"b":` and `"b":`.
    keys: Vec<String>,
}

impl Written {
    fn new(path: &'static str, before: &'static str) -> Self {
        let names: Vec<_> = path.split('.').collect();
        let depth = names.len() - 1;
        let key = |from: usize| names[from..].iter().map(|name| format!("\"{name}\":")).collect::<Vec<_>>().join("{");
        let parents_before = before.rsplit_once('.').map_or("", |(parents, _)| parents).split('.');
        let shared = parents_before.zip(&names[..depth]).take_while(|(one, other)| one == *other).count();
        Self { depth, shared, keys: (0..=depth).map(key).collect() }
    }

    /// The path as JSON within so many of its objects, with the colon.
    pub(super) fn key(&self, open: usize) -> &str {
        self.keys.get(open).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_an_object_stand_together_and_no_path_comes_twice() {
        let mut closed: Vec<String> = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        for field in Field::ALL {
            let parts: Vec<_> = field.path().split('.').collect();
            let common = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
            for depth in common..open.len() {
                closed.push(open[..=depth].join("."));
            }
            assert!(parts.len() > common, "{} is both a field and an object, or comes twice", field.path());
            for depth in common..parts.len() {
                let path = parts[..=depth].join(".");
                assert!(!closed.contains(&path), "{path} was closed before {}", field.path());
            }
            open = parts;
        }
    }
}
