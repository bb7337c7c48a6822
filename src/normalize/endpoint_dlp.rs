//! Data loss prevention on devices: what was done with a file, where it was going, and whether a rule matched.

use std::borrow::Cow;

use super::{
    audit::{Audit, parse_integer, scalar_text},
    json::Node,
    placeholder::is_placeholder,
};

/// The record type.
pub(crate) const CODE: &str = "DLPEndpoint";

/// Operations that take a file off the device or out of the reach of its rules ("Endpoint DLP activities"). The others, such as
/// `FileRead` and `FileRenamed`, are what happens to files all day.
const EGRESS: &[&str] = &[
    "FileCopiedToRemovableMedia",
    "FileCreatedOnRemovableMedia",
    "FileCopiedToNetworkShare",
    "FileCreatedOnNetworkShare",
    "FileCopiedToClipboard",
    "FileCopiedToRemoteDesktopSession",
    "FileUploadedToCloud",
    "FileTransferredByBluetooth",
    "FilePrinted",
    "FileAccessedByUnallowedApp",
    "PastedToBrowser",
    "SensitiveFilePastedToBrowser",
    "UploadText",
];

/// A policy and the rule of it that matched.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Match<'a> {
    /// `PolicyId`.
    pub(crate) policy_id: Option<Cow<'a, str>>,
    /// `PolicyName`.
    pub(crate) policy_name: Option<Cow<'a, str>>,
    /// `RuleId`.
    pub(crate) rule_id: Option<Cow<'a, str>>,
    /// `RuleName`.
    pub(crate) rule_name: Option<Cow<'a, str>>,
}

/// How bad it is, by what the rule did about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Severity {
    /// The rule only watched, or no rule matched.
    Low,
    /// The rule warned or blocked.
    Medium,
    /// The user went on in spite of the warning.
    High,
}

/// Whether a record is an alert: a rule matched, or the operation takes a file away.
pub(crate) fn is_alert(record: &mut Audit<'_>, operation: &str) -> bool {
    operation.to_ascii_lowercase().starts_with("dlp")
        || EGRESS.iter().any(|known| known.eq_ignore_ascii_case(operation))
        || !matches(record).is_empty()
}

/// The policies and rules that matched: `PolicyMatchInfo`, and those of `MatchedPolicies` that it does not name.
pub(crate) fn matches<'a>(record: &mut Audit<'a>) -> Vec<Match<'a>> {
    let mut found: Vec<Match<'a>> = Vec::new();
    for member in ["PolicyMatchInfo", "MatchedPolicies"] {
        let nodes = match record.node(member) {
            Some(Node::List(list)) => list.as_slice(),
            Some(node @ Node::Object(_)) => std::slice::from_ref(node),
            _ => &[],
        };
        for node in nodes {
            let text = |name| node.get(name).and_then(scalar_text).filter(|text| !is_placeholder(text));
            let one = Match {
                policy_id: text("PolicyId"),
                policy_name: text("PolicyName"),
                rule_id: text("RuleId"),
                rule_name: text("RuleName"),
            };
            if one != Match::default() && !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

/// Where the file was going: a site, a printer, a share, or the removable medium.
pub(crate) fn target(record: &mut Audit<'_>) -> Option<Target> {
    if let Some(domain) = first(record, &["TargetDomain", "TargetUrl"]) {
        return Some(Target { kind: "Domain", name: host_of(&domain).to_owned(), id: None });
    }
    if let Some(printer) = first(record, &["TargetPrinterName", "PrinterName"]) {
        return Some(Target { kind: "Printer", name: printer.into_owned(), id: None });
    }
    if let Some(media) = record.node("RemovableMediaDeviceAttributes") {
        let text = |name: &str| media.get(name).and_then(scalar_text).filter(|text| !is_placeholder(text));
        let name = [text("Manufacturer"), text("Model")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let id = text("SerialNumber").map(Cow::into_owned);
        if let Some(name) = Some(name).filter(|name| !name.is_empty()).or_else(|| id.clone()) {
            return Some(Target { kind: "Removable Media", name, id });
        }
    }
    let path = first(record, &["TargetFilePath"])?;
    let share = path.strip_prefix(r"\\")?.split(['\\', '/']).next()?;
    (!share.is_empty()).then(|| Target { kind: "Network Share", name: share.to_owned(), id: None })
}

/// Where a file was going.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    /// What it is, for display.
    pub(crate) kind: &'static str,
    /// The name of the host or the device.
    pub(crate) name: String,
    /// The device's serial number.
    pub(crate) id: Option<String>,
}

/// How bad it is. `EnforcementMode` is 1 audit, 2 warn, 3 warn and bypass, 4 block, 5 allow ("`EndpointMetadata` complex type").
pub(crate) fn severity(record: &mut Audit<'_>) -> Severity {
    let mode = ["EnforcementMode", "EndpointMetaData.EnforcementMode"].into_iter().find_map(|name| record.text(name));
    let Some(mode) = mode else { return Severity::Low };
    let word = || MODES.iter().find(|(word, _)| word.eq_ignore_ascii_case(mode.trim())).map(|(_, number)| *number);
    match parse_integer(&mode).or_else(word) {
        Some(2 | 4) => Severity::Medium,
        Some(3) => Severity::High,
        _ => Severity::Low,
    }
}

/// Words for the numbers of `EnforcementMode`.
const MODES: &[(&str, i64)] = &[
    ("Audit", 1),
    ("Warn", 2),
    ("BlockWithOverride", 2),
    ("WarnAndBypass", 3),
    ("Bypass", 3),
    ("Block", 4),
    ("Allow", 5),
];

/// Whether the rule kept the file where it was: by its mode, or because `blocks` says so of its actions. In mode 3 the user went on.
pub(crate) fn is_blocked(record: &mut Audit<'_>, blocks: bool) -> bool {
    match severity(record) {
        Severity::Low => blocks,
        Severity::Medium => true,
        Severity::High => false,
    }
}

fn first<'a>(record: &mut Audit<'a>, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| record.text(name).filter(|text| !is_placeholder(text)))
}

/// The host of a URL, or the text as it is.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::JsonObject;

    fn with<T>(record: &str, read: impl Fn(&mut Audit<'_>) -> T) -> T {
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        read(&mut Audit::new(&record))
    }

    #[test]
    fn matches_and_egress_are_alerts_and_daily_work_is_none() {
        for (operation, record, expected) in [
            ("DLPRuleMatch", "{}", true),
            ("FileCopiedToRemovableMedia", "{}", true),
            ("filePRINTED", "{}", true),
            ("FileRead", r#"{"PolicyMatchInfo":{"RuleName":"r"}}"#, true),
            ("FileRead", r#"{"PolicyMatchInfo":{"RuleName":""},"MatchedPolicies":[]}"#, false),
            ("FileRenamed", "{}", false),
        ] {
            assert_eq!(with(record, |audit| is_alert(audit, operation)), expected, "{operation} {record}");
        }
    }

    #[test]
    fn a_rule_is_named_once() {
        let record = r#"{"PolicyMatchInfo":{"PolicyName":"p","RuleName":"r"},"MatchedPolicies":[{"PolicyName":"p","RuleName":"r"},{"PolicyName":"q"}]}"#;
        let names: Vec<_> =
            with(record, |audit| matches(audit).into_iter().map(|one| one.policy_name.map(Cow::into_owned)).collect());
        assert_eq!(names, [Some("p".to_owned()), Some("q".to_owned())]);
    }

    #[test]
    fn targets_are_sites_printers_media_and_shares() {
        for (record, kind, name) in [
            (r#"{"TargetDomain":"files.example"}"#, "Domain", "files.example"),
            (r#"{"TargetDomain":"","TargetUrl":"https://files.example/up?x"}"#, "Domain", "files.example"),
            (r#"{"TargetPrinterName":"Floor 2"}"#, "Printer", "Floor 2"),
            (
                r#"{"RemovableMediaDeviceAttributes":{"Manufacturer":"Acme","Model":"Stick","SerialNumber":"S1"}}"#,
                "Removable Media",
                "Acme Stick",
            ),
            (r#"{"RemovableMediaDeviceAttributes":{"SerialNumber":"S1"}}"#, "Removable Media", "S1"),
            (r#"{"TargetFilePath":"\\\\nas\\share\\a.txt"}"#, "Network Share", "nas"),
        ] {
            let target = with(record, target).unwrap();
            assert_eq!((target.kind, target.name.as_str()), (kind, name), "{record}");
        }
        for nothing in ["{}", r#"{"TargetFilePath":"E:\\a.txt"}"#, r#"{"RemovableMediaDeviceAttributes":{}}"#] {
            assert_eq!(with(nothing, target), None);
        }
    }
}
