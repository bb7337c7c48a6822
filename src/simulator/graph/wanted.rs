//! What a query looks for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{api::write_time, error::GraphError, names, record::Classic};

/// The members of a query that a client chooses (GRAPH, `auditLogQuery`).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(rename = "@odata.type", skip_serializing)]
    _odata_type: Option<String>,
    /// Names need not be unique, and queries are not created only once by them.
    display_name: Option<String>,
    #[serde(skip_serializing)]
    filter_start_date_time: Option<String>,
    #[serde(skip_serializing)]
    filter_end_date_time: Option<String>,
    record_type_filters: Vec<String>,
    keyword_filter: Option<String>,
    service_filter: Option<String>,
    operation_filters: Vec<String>,
    user_principal_name_filters: Vec<String>,
    ip_address_filters: Vec<String>,
    object_id_filters: Vec<String>,
    administrative_unit_id_filters: Vec<String>,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub(super) struct Search {
    wanted: Wanted,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    record_types: Vec<i64>,
}

impl Wanted {
    pub fn read(body: &[u8]) -> Result<Self, GraphError> {
        serde_json::from_slice(body).map_err(|error| GraphError::bad_request(format!("Invalid request body: {error}")))
    }

    /// The names of record types that are not in camel case, as those of the enumeration are.
    pub fn misspelt(&self) -> Vec<&str> {
        let is_misspelt = |name: &&str| names::camel_case(name) != *name;
        self.record_type_filters.iter().map(String::as_str).filter(is_misspelt).collect()
    }

    pub fn check(self) -> Result<Search, GraphError> {
        let start = time("filterStartDateTime", self.filter_start_date_time.as_deref())?;
        let end = time("filterEndDateTime", self.filter_end_date_time.as_deref())?;
        if start >= end {
            return Err(GraphError::bad_request("filterStartDateTime must be before filterEndDateTime."));
        }
        let number = |name: &String| {
            names::record_type(name).ok_or_else(|| {
                GraphError::bad_request(format!(
                    "Cannot convert the literal '{name}' to the expected type \
                     'microsoft.graph.security.auditLogRecordType'."
                ))
            })
        };
        let record_types = self.record_type_filters.iter().map(number).collect::<Result<_, _>>()?;
        Ok(Search { start, end, record_types, wanted: self })
    }
}

/// Microsoft Graph's `DateTimeOffset`: ISO 8601 with an offset, which is usually `Z`. A query without a range is refused here,
/// although Microsoft's page does not say that it is.
fn time(name: &str, given: Option<&str>) -> Result<DateTime<Utc>, GraphError> {
    let given = given.ok_or_else(|| GraphError::bad_request(format!("{name} is required.")))?;
    let time = DateTime::parse_from_rfc3339(given).map_err(|_| {
        GraphError::bad_request(format!(
            "Cannot convert the literal '{given}' to the expected type 'Edm.DateTimeOffset'."
        ))
    })?;
    Ok(time.to_utc())
}

impl Search {
    /// Whether every record of the range is found.
    pub fn has_no_filter(&self) -> bool {
        let Wanted {
            record_type_filters,
            keyword_filter,
            service_filter,
            operation_filters,
            user_principal_name_filters,
            ip_address_filters,
            object_id_filters,
            administrative_unit_id_filters,
            ..
        } = &self.wanted;
        let lists = [
            record_type_filters,
            operation_filters,
            user_principal_name_filters,
            ip_address_filters,
            object_id_filters,
            administrative_unit_id_filters,
        ];
        let texts = [keyword_filter, service_filter];
        lists.iter().all(|list| list.is_empty()) && texts.into_iter().flatten().all(String::is_empty)
    }

    /// Whether a record passes every filter. Records have no administrative units here, so a filter for one finds nothing.
    pub fn finds(&self, record: &Classic, text: &str) -> bool {
        let wanted = &self.wanted;
        let among = |filters: &[String], value: &str| {
            filters.is_empty() || filters.iter().any(|filter| filter.eq_ignore_ascii_case(value))
        };
        let has = |filter: &Option<String>, passes: &dyn Fn(&str) -> bool| {
            filter.as_deref().filter(|filter| !filter.is_empty()).is_none_or(passes)
        };
        (self.record_types.is_empty() || self.record_types.contains(&record.record_type))
            && among(&wanted.operation_filters, &record.operation)
            && among(&wanted.user_principal_name_filters, &record.user_id)
            && among(&wanted.ip_address_filters, record.client_ip().unwrap_or_default())
            && among(&wanted.object_id_filters, record.object_id.as_deref().unwrap_or_default())
            && wanted.administrative_unit_id_filters.is_empty()
            && has(&wanted.service_filter, &|service| service.eq_ignore_ascii_case(&record.workload))
            && has(&wanted.keyword_filter, &|word| text.to_lowercase().contains(&word.to_lowercase()))
    }

    /// The members of the query that say what it looks for.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(&self.wanted).unwrap_or_else(|_| json!({}));
        json["filterStartDateTime"] = write_time(self.start).into();
        json["filterEndDateTime"] = write_time(self.end).into();
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(change: &Value) -> Result<Search, GraphError> {
        let mut body =
            json!({ "filterStartDateTime": "2026-08-01T00:00:00Z", "filterEndDateTime": "2026-08-02T00:00:00Z" });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        Wanted::read(body.to_string().as_bytes())?.check()
    }

    #[test]
    fn every_filter_must_be_passed() {
        let text = r#"{"RecordType":15,"Operation":"UserLoggedIn","UserId":"adelev@contoso.com","ClientIP":"192.0.2.7",
            "ObjectId":"Unknown","Workload":"AzureActiveDirectory","Extra":"Zoë"}"#;
        let record = Classic::read(text);
        for (filter, finds) in [
            (json!({}), true),
            (json!({ "recordTypeFilters": ["azureActiveDirectoryStsLogon", "crm"] }), true),
            (json!({ "recordTypeFilters": ["crm"] }), false),
            (json!({ "operationFilters": ["userloggedin"] }), true),
            (json!({ "operationFilters": ["UserLogged"] }), false),
            (json!({ "userPrincipalNameFilters": ["AdeleV@contoso.com"], "operationFilters": ["x"] }), false),
            (json!({ "userPrincipalNameFilters": ["AdeleV@contoso.com"], "ipAddressFilters": ["192.0.2.7"] }), true),
            (json!({ "objectIdFilters": ["Known"] }), false),
            (json!({ "serviceFilter": "azureactivedirectory", "keywordFilter": "ZOË" }), true),
            (json!({ "keywordFilter": "" }), true),
            (json!({ "keywordFilter": "absent" }), false),
            (json!({ "administrativeUnitIdFilters": ["x"] }), false),
        ] {
            assert_eq!(search(&filter).unwrap().finds(&record, text), finds, "{filter}");
        }
        assert!(search(&json!({ "keywordFilter": "" })).unwrap().has_no_filter());
        assert!(!search(&json!({ "recordTypeFilters": ["crm"] })).unwrap().has_no_filter());
    }

    #[test]
    fn names_in_another_case_are_understood_and_told() {
        let wanted = Wanted::read(br#"{"recordTypeFilters":["CRM","crm","exchangeAdmin","ExchangeAdmin"]}"#).unwrap();
        assert_eq!(wanted.misspelt(), ["CRM", "ExchangeAdmin"]);
    }
}
