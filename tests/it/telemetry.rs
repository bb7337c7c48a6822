//! Metrics and log lines of one source: auditing that is turned off, content that expires, what a pause leaves pending.
use crate::support;

use office365_source::{
    RunMode,
    component::EventStatus,
    config::{ByteSize, FilterConfig, HumanDuration},
};
use serde_json::json;
use support::{
    lab::{Lab, minutes},
    wire::Answer,
};

#[tokio::test(start_paused = true)]
async fn turning_auditing_off_is_a_warning_that_names_the_user_and_still_an_event() {
    let lab = Lab::new();
    let cmdlet = |id: &str, operation: &str, parameter: &str, value: &str| {
        let mut event = lab.event(id);
        event["Operation"] = operation.into();
        event["RecordType"] = 1.into();
        event["UserId"] = "mallory@contoso.com\n\u{202e}forged line".into();
        event["ObjectId"] = "ana".into();
        event["Parameters"] = json!([{ "Name": parameter, "Value": value }]);
        event
    };
    let records = json!([
        cmdlet("off", "Set-MailboxAuditBypassAssociation", "AuditBypassEnabled", "True"),
        cmdlet("on", "Set-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled", "True"),
        cmdlet("other", "Set-Mailbox", "ProhibitSendQuota", "1GB"),
    ]);
    lab.place(records.to_string());
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["off", "on", "other"]);
    assert_eq!(lab.counters.sum("office365_auditing_reduced_total", "Set-MailboxAuditBypassAssociation"), 1);
    assert_eq!(lab.counters.sum("office365_auditing_reduced_total", ""), 1);
    let log = lab.log.text();
    let line = log.lines().find(|line| line.contains("has turned auditing off")).unwrap();
    assert!(line.contains(" WARN ") && line.contains("mallory@contoso.com forged line"), "{line}");
    assert!(line.contains("AuditBypassEnabled") && line.contains("object=\"ana\""), "{line}");

    // Whoever leaves out what administrators do is told all the same.
    let mut lab = Lab::new();
    let exclude = FilterConfig { operation: Some(vec!["Set-*".to_owned()]), ..FilterConfig::default() };
    lab.source.filters.exclude.push(exclude);
    lab.place(records.to_string());
    let (result, _) = lab.once().await;
    assert_eq!((result, lab.ids()), (Ok(()), Vec::new()));
    assert_eq!(lab.counters.sum("office365_auditing_reduced_total", ""), 1);
}

#[tokio::test(start_paused = true)]
async fn content_that_expired_before_it_was_fetched_is_counted_apart() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    let body = r#"{"error":{"code":"AF20051","message":"Content requested with the key x has already expired."}}"#;
    let expired = Answer::new(400, body);
    lab.wire.rewrite(move |sent, answer| Ok(if sent.asks("audit/") { expired.clone() } else { answer }));
    let (_, run) = lab.once().await;
    assert_eq!(run.progress.totals().blobs_dead, 1, "{}", lab.log.text());
    assert_eq!(lab.counters.sum("office365_content_expired_total", ""), 1);

    // Content that the pipeline never takes expires in the ledger.
    let mut lab = Lab::new();
    lab.source.poll.interval_secs = 6 * 3_600;
    lab.publish(&["b"]);
    let mut setup = lab.setup(RunMode::Continuous);
    setup.verdict = Box::new(|_| EventStatus::Errored);
    let running = setup.start().await;
    minutes(8 * 24 * 60).await;
    running.crash().await;
    assert_eq!(lab.counters.sum("office365_content_expired_total", ""), 1, "{}", lab.log.text());
    assert_eq!(lab.counters.sum("office365_content_dead_total", ""), 1);
}

#[tokio::test(start_paused = true)]
async fn how_long_microsoft_still_holds_what_is_pending_is_told_while_a_sink_is_down() {
    let mut lab = Lab::new();
    lab.source.start_from = HumanDuration::from_days(7);
    lab.source.memory.spool_threshold = ByteSize::from_bytes(0);
    lab.publish_at(&["old"], lab.ago(5 * 24 * 60));
    let (open, gate) = tokio::sync::watch::channel(false);
    let mut setup = lab.setup(RunMode::Continuous);
    setup.gate = Some(gate);
    let running = setup.start().await;
    minutes(24 * 60).await;
    let day = 86_400.0;
    let left = lab.counters.gauge("office365_content_expiry_seconds") / day;
    assert!((0.99..=1.01).contains(&left), "{left} days");
    let age = lab.counters.gauge("office365_oldest_pending_seconds") / day;
    assert!((5.99..=6.01).contains(&age), "{age} days");
    assert!(lab.counters.gauge("office365_ledger_bytes") > 0.0);
    open.send(true).unwrap();
    minutes(10).await;
    running.stop().await;
    lab.assert_arrived_once(&["old"]);
    assert!((6.9..=7.0).contains(&(lab.counters.gauge("office365_content_expiry_seconds") / day)));
    assert!(lab.counters.gauge("office365_spool_bytes").abs() < 1.0, "the file is gone");
}
