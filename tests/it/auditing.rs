//! Records of what blinds the audit log, and content that Microsoft deleted before it was fetched, are told.
use crate::support;

use office365_source::component::EventStatus;
use serde_json::json;
use support::{
    lab::{Lab, minutes},
    wire::{Answer, CONTENT, first},
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
}

#[tokio::test(start_paused = true)]
async fn content_that_expired_before_it_was_fetched_is_counted_apart() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    let body = r#"{"error":{"code":"AF20051","message":"Content requested with the key x has already expired."}}"#;
    lab.wire.rewrite(first(1, CONTENT, Answer::new(400, body)));
    let (_, run) = lab.once().await;
    assert_eq!(run.progress.totals().blobs_dead, 1, "{}", lab.log.text());
    assert_eq!(lab.counters.sum("office365_content_expired_total", ""), 1);

    // Content that the pipeline never takes expires in the ledger.
    let lab = Lab::new();
    lab.publish(&["b"]);
    let mut setup = lab.setup(office365_source::RunMode::Continuous);
    setup.verdict = Box::new(|_| EventStatus::Errored);
    let running = setup.start().await;
    minutes(8 * 24 * 60).await;
    running.crash().await;
    assert_eq!(lab.counters.sum("office365_content_expired_total", ""), 1, "{}", lab.log.text());
    assert_eq!(lab.counters.sum("office365_content_dead_total", ""), 1);
}
