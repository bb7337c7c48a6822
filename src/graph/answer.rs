//! Bodies of successful answers.

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How far a query is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueryStatus {
    /// `notStarted`
    NotStarted,
    /// `running`
    Running,
    /// `succeeded`
    Succeeded,
    /// `failed`
    Failed,
    /// `cancelled`
    Cancelled,
    /// Any other, such as one that Microsoft has added since.
    Unknown,
}

/// A query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// Its id.
    pub id: String,
    /// `displayName`; empty without one.
    pub name: String,
    /// How far it is.
    pub status: QueryStatus,
    /// Whether it has found more records than a query may have, and shows only a part of them.
    pub is_cut: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawQuery {
    id: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    is_record_count_limit_exceeded: Option<bool>,
}

impl From<RawQuery> for Query {
    fn from(RawQuery { id, display_name, status, is_record_count_limit_exceeded }: RawQuery) -> Self {
        // Requests have names in camelCase, answers sometimes in PascalCase.
        let status = match status.unwrap_or_default().to_ascii_lowercase().as_str() {
            "notstarted" => QueryStatus::NotStarted,
            "running" => QueryStatus::Running,
            "succeeded" => QueryStatus::Succeeded,
            "failed" => QueryStatus::Failed,
            "cancelled" | "canceled" => QueryStatus::Cancelled,
            _ => QueryStatus::Unknown,
        };
        let is_cut = is_record_count_limit_exceeded.unwrap_or_default();
        Self { id, name: display_name.unwrap_or_default(), status, is_cut }
    }
}

impl Query {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// A sentence without a full stop.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let query: RawQuery = serde_json::from_slice(body).map_err(|error| format!("expected a query: {error}"))?;
        if query.id.is_empty() || query.id.contains(['/', '?', '#', '$']) {
            return Err("the query has no id that a path can hold".to_owned());
        }
        Ok(query.into())
    }
}

/// Queries, and where there are more.
#[derive(Debug)]
pub(super) struct QueriesPage {
    pub queries: Vec<Query>,
    pub next: Option<String>,
}

impl QueriesPage {
    /// Reads a page. Queries of others that cannot be read are left out.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Page {
            value: Vec<serde_json::Value>,
            #[serde(default, rename = "@odata.nextLink")]
            next: Option<String>,
        }
        let page: Page = serde_json::from_slice(body).map_err(|error| format!("expected a list: {error}"))?;
        let queries = page.value.into_iter().filter_map(|query| serde_json::from_value::<RawQuery>(query).ok());
        Ok(Self { queries: queries.map(Query::from).collect(), next: page.next })
    }
}

/// A record of a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditLogRecord {
    /// `id`, which is that of the classic record.
    pub id: Option<String>,
    /// `auditLogRecordType`, Microsoft Graph's name of the record's type.
    pub record_type: Option<String>,
    /// The whole object, as JSON text; `None` where nobody needs it, as `id` and `auditData` say all.
    pub text: Option<Bytes>,
    /// `auditData`, the classic record, as JSON text.
    pub audit_data: Option<Bytes>,
}

impl AuditLogRecord {
    /// Whether a record says all with `id` and `auditData`.
    fn is_plain(record: &RawRecord<'_>) -> bool {
        let data = record.audit_data.map(RawValue::get).unwrap_or_default();
        record.id.is_some_and(|id| id.get().starts_with('"')) && data.starts_with('{') && names_id(data.as_bytes())
    }
}

/// Whether a text names an `Id`. One deeper in it only means that the record is looked at later.
pub fn names_id(text: &[u8]) -> bool {
    memmem::find(text, b"\"Id\"").is_some()
}

/// Records of a query, and where there are more.
#[derive(Debug)]
pub struct RecordsPage {
    /// The records.
    pub records: Vec<AuditLogRecord>,
    /// `@odata.nextLink`
    pub(super) next: Option<String>,
}

/// The ids of a query's records, and where there are more.
#[derive(Debug)]
pub struct IdsPage {
    /// The ids; `None` for a record without one, and for what is no record.
    pub ids: Vec<Option<String>>,
    /// `@odata.nextLink`
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<R> {
    value: Vec<R>,
    #[serde(default, rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Not decoded: strings that cannot be decoded must not take the rest along.
#[derive(Default, Deserialize)]
struct RawRecord<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "auditLogRecordType")]
    record_type: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "auditData")]
    audit_data: Option<&'a RawValue>,
}

impl RecordsPage {
    /// Reads a page. Its records stay slices of the body.
    ///
    /// # Errors
    ///
    /// A sentence without a full stop.
    pub fn parse(body: Bytes) -> Result<Self, String> {
        // A record may have strings that are no UTF-8; the collector repairs what can be. `from_utf8` is several times faster.
        let body = match str::from_utf8(&body) {
            Ok(_) => body,
            Err(_) => Bytes::from(String::from_utf8_lossy(&body).into_owned()),
        };
        let text = str::from_utf8(&body).map_err(|error| error.to_string())?;
        let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
        let string = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let record = |raw: RawRecord<'_>, text: Option<&RawValue>| AuditLogRecord {
            id: raw.id.and_then(string),
            record_type: raw.record_type.and_then(string),
            text: text.map(slice),
            audit_data: raw.audit_data.map(slice),
        };
        // Nearly all pages are read in one go; one with a record that is odd is looked at once more, record by record.
        if let Ok(page) = raw_page::<RawRecord<'_>>(text)
            && page.value.iter().all(AuditLogRecord::is_plain)
        {
            let records = page.value.into_iter().map(|raw| record(raw, None)).collect();
            return Ok(Self { records, next: page.next });
        }
        let page = raw_page::<&RawValue>(text)?;
        let records = page.value.into_iter().map(|raw| {
            let members = serde_json::from_str(raw.get()).unwrap_or_default();
            record(members, Some(raw))
        });
        Ok(Self { records: records.collect(), next: page.next })
    }
}

impl IdsPage {
    /// Reads a page, whatever else its records have.
    ///
    /// # Errors
    ///
    /// A sentence without a full stop.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct RawId {
            #[serde(default)]
            id: Option<String>,
        }
        let text = String::from_utf8_lossy(body);
        if let Ok(RawPage { value, next }) = raw_page::<RawId>(&text) {
            return Ok(Self { ids: value.into_iter().map(|record| record.id).collect(), next });
        }
        let RawPage { value, next } = raw_page::<&RawValue>(&text)?;
        let id = |element: &RawValue| serde_json::from_str::<RawId>(element.get()).ok()?.id;
        Ok(Self { ids: value.into_iter().map(id).collect(), next })
    }
}

fn raw_page<'a, R: Deserialize<'a>>(text: &'a str) -> Result<RawPage<R>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a list: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_in_either_case_and_with_little_in_them() {
        let query = |json: &str| Query::parse(json.as_bytes()).unwrap();
        assert_eq!(query(r#"{"id":"a"}"#).status, QueryStatus::Unknown);
        assert_eq!(query(r#"{"id":"a","status":"notStarted"}"#).status, QueryStatus::NotStarted);
        let cut = query(r#"{"id":"a","status":"Succeeded","displayName":null,"isRecordCountLimitExceeded":true}"#);
        assert_eq!((cut.status, cut.is_cut, cut.name.as_str()), (QueryStatus::Succeeded, true, ""));
        for bad in ["", "[]", "{}", r#"{"id":""}"#, r#"{"id":"../x"}"#, r#"{"id":7}"#] {
            assert!(Query::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let page = QueriesPage::parse(br#"{"value":[{"id":"a","displayName":"n"},{"x":1}],"@odata.nextLink":"u"}"#);
        let page = page.unwrap();
        assert_eq!((page.queries.len(), page.next.as_deref()), (1, Some("u")));
    }

    #[test]
    fn records_are_slices_of_their_page() {
        let page = br#"{"@odata.context":"c","value":[
            {"id":"1","auditLogRecordType":"ExchangeItem","auditData":{"Id":"1","X":"\ud800"}},
            {"id":"2","auditData":null},
            {"userId":"\ud800","auditData":{"Id":"3"}},
            {"id":"\ud800","auditData":{"Id":"4"}}],"@odata.nextLink":"u"}"#;
        let page = RecordsPage::parse(Bytes::from_static(page)).unwrap();
        let data: Vec<_> = page.records.iter().map(|record| record.audit_data.as_deref()).collect();
        assert_eq!(data[0], Some(&br#"{"Id":"1","X":"\ud800"}"#[..]));
        assert_eq!(data[1], None);
        assert_eq!(data[2], Some(&br#"{"Id":"3"}"#[..]));
        assert_eq!((data[3], page.records[3].id.as_deref()), (Some(&br#"{"Id":"4"}"#[..]), None));
        assert_eq!(page.records[0].record_type.as_deref(), Some("ExchangeItem"));
        assert_eq!(page.next.as_deref(), Some("u"));
        assert!(page.records.iter().all(|record| record.text.is_some()), "some of them are odd");
        let page = br#"{"value":[{"id":"1","operation":"x","auditData":{"Id":"1"},"auditLogRecordType":"a"}]}"#;
        let page = RecordsPage::parse(Bytes::from_static(page)).unwrap();
        let (text, data) = (None, Some(Bytes::from_static(br#"{"Id":"1"}"#)));
        let plain =
            AuditLogRecord { id: Some("1".to_owned()), record_type: Some("a".to_owned()), text, audit_data: data };
        assert_eq!((page.records, page.next), (vec![plain], None));
        assert!(RecordsPage::parse(Bytes::from_static(b"{\"value\":{}}")).is_err());
    }

    #[test]
    fn ids_are_read_of_records_with_and_without_more() {
        let page = br#"{"value":[{"id":"1"},{"id":"2","auditData":{"Id":"2"}},{},{"id":null}],"@odata.nextLink":"u"}"#;
        let page = IdsPage::parse(page).unwrap();
        assert_eq!(page.ids, [Some("1".to_owned()), Some("2".to_owned()), None, None]);
        assert_eq!(page.next.as_deref(), Some("u"));
        let odd = IdsPage::parse(br#"{"value":[7,{"id":7},{"id":"1"},"x",[]],"@odata.nextLink":"u"}"#).unwrap();
        assert_eq!(odd.ids, [None, None, Some("1".to_owned()), None, None]);
        assert_eq!(odd.next.as_deref(), Some("u"));
        for bad in ["", "[]", "{}", r#"{"value":7}"#, r#"{"value":[{"id":"1"}"#] {
            assert!(IdsPage::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
