//! The names under which other programs hold records.

/// A name, in lower case, and whether what it holds may be a list too long to be held in memory. Such a list is read element by
/// element, before it is known whether members of a record follow it: names that records have themselves are not among them.
type Carrier = (&'static str, bool);

/// Of several in an object, the first that holds a record counts. Microsoft's own text comes before what was derived
/// from it, and specific names come before general ones.
const CARRIERS: &[Carrier] = &[
    // Elastic: the text before the ingest pipeline.
    ("event.original", true),
    ("original", false),
    // Splunk.
    ("_raw", true),
    ("raw", false),
    // Defender XDR (table CloudAppEvents).
    ("raweventdata", true),
    // OCSF.
    ("raw_data", true),
    ("rawdata", true),
    ("auditdetails", true),
    ("auditrecord", true),
    ("auditrecords", true),
    ("auditlogs", true),
    ("auditlog", true),
    // Elasticsearch.
    ("_source", true),
    // Azure Monitor, as Event Hubs deliver it.
    ("properties", false),
    ("record", true),
    ("records", true),
    // OData: Microsoft Graph.
    ("value", true),
    ("values", true),
    ("results", true),
    ("result", true),
    ("items", true),
    ("entries", true),
    ("rows", true),
    ("hits", true),
    ("docs", true),
    ("documents", true),
    ("events", true),
    ("event", true),
    ("messages", false),
    ("message", false),
    ("body", true),
    ("payload", true),
    ("logs", true),
    ("log", true),
    ("data", true),
    ("response", true),
    ("responses", true),
    ("output", true),
    ("content", true),
    ("detail", false),
    ("details", false),
    ("attributes", false),
    ("fields", false),
];

/// The longest name of a carrier, in bytes.
#[cfg(test)]
const LONGEST: usize = 16;

/// Where a member's name stands in the order of carriers; `None` if it is none. Of a path written as a name, such as
/// `result._raw`, the end counts.
pub(super) fn rank(name: &str) -> Option<usize> {
    let at = |name: &str| CARRIERS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    at(name).or_else(|| at(name.rsplit_once('.')?.1))
}

/// Whether a member of this name may hold a long list of records.
pub(super) fn holds_list(name: &str) -> bool {
    rank(name).and_then(|at| CARRIERS.get(at)).is_some_and(|(_, is_list)| *is_list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_at_the_end_of_a_path() {
        assert!(CARRIERS.iter().all(|(name, _)| name.len() <= LONGEST && *name == name.to_ascii_lowercase()));
        assert_eq!(rank("Records"), rank("records"));
        assert!(rank("result._raw").unwrap() < rank("result").unwrap());
        assert_eq!(rank("event.original"), Some(0));
        assert!(rank("CreationTime").is_none() && rank("").is_none());
        assert!(holds_list("Items") && holds_list("hits.hits") && !holds_list("message"));
    }
}
