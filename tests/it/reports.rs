//! Records in the shapes that users of other collectors have met, with the value that an analyst expects of each. The inputs are
//! not part of this project; without them there is nothing to read, and the test says so. `tests/right_values.rs` has our own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::normalized;

use std::{fs, path::Path};

use normalized::{event, texts};
use office365_source::normalize::Schema;

/// The lines of an input; `None` without the folder.
fn lines(name: &str) -> Option<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reports").join(name);
    if !path.is_file() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(fs::read_to_string(path).unwrap().lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// A line that starts at 1, a path, and the texts that must be there, and no others.
type Expected<'a> = (usize, &'a str, &'a [&'a str]);

fn assert_exact(name: &str, schema: Schema, expected: &[Expected<'_>]) {
    let Some(lines) = lines(name) else { return };
    for (line, path, wanted) in expected {
        let event = event(schema, &lines[line - 1]);
        assert_eq!(texts(&event, path), *wanted, "{name} line {line}, {schema:?}, {path}:\n{event:#}");
    }
}

/// The same, but there may be others.
fn assert_within(name: &str, schema: Schema, expected: &[Expected<'_>]) {
    let Some(lines) = lines(name) else { return };
    for (line, path, wanted) in expected {
        let event = event(schema, &lines[line - 1]);
        let found = texts(&event, path);
        for wanted in *wanted {
            assert!(found.iter().any(|found| found == wanted), "{name} line {line}, {path} lacks {wanted}:\n{event:#}");
        }
    }
}

#[test]
fn addresses_in_every_form() {
    const NAME: &str = "01-client-address-forms.ndjson";
    let Some(lines) = lines(NAME) else { return };
    let v4 = |port: &'static str| ("198.51.100.7", port);
    let expected = [
        (1, v4("9999")),
        (2, v4("")),
        (3, v4("52144")),
        (4, v4("52144")),
        (5, ("2001:db8::7", "443")),
        (6, ("fe80::1c2b", "")),
        (7, v4("")),
        (8, v4("")),
        (9, ("10.0.0.4", "")),
        (10, v4("0")),
        (11, v4("")),
        (12, ("2001:db8::7", "")),
        (13, ("2001:DB8:0:0:0:0:0:7", "")),
        (14, ("2001:db8::7", "52144")),
        (16, v4("")),
        (17, ("2001:db8::7", "")),
        (18, v4("")),
        (19, v4("")),
        (20, ("0.0.0.0", "")),
        (21, ("::", "")),
        (22, ("", "")),
        (23, ("", "")),
        (24, ("", "")),
        (26, ("", "")),
        (27, v4("")),
    ];
    for (line, (ip, port)) in expected {
        let text = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        let ecs = event(Schema::Ecs, &lines[line - 1]);
        assert_eq!(texts(&ecs, "source.ip"), text(ip), "line {line}: {ecs:#}");
        assert_eq!(texts(&ecs, "source.port"), text(port), "line {line}");
        let ocsf = event(Schema::Ocsf, &lines[line - 1]);
        assert_eq!(texts(&ocsf, "src_endpoint.ip"), text(ip), "line {line}: {ocsf:#}");
        assert_eq!(texts(&ocsf, "src_endpoint.port"), text(port), "line {line}");
        if (22..=24).contains(&line) {
            let word = texts(&ecs, "o365.audit.ClientIP").pop().unwrap();
            assert!(
                !texts(&ecs, "related.hosts").contains(&word) && texts(&ecs, "client.domain").is_empty(),
                "{ecs:#}"
            );
            assert_eq!(texts(&ocsf, "src_endpoint.hostname"), [""; 0]);
        }
    }
    assert_exact(NAME, Schema::Ecs, &[(26, "client.domain", &["2001-db8--7.ipv6.example"])]);
    // What cannot be read is named, and stays.
    assert_exact(NAME, Schema::Ecs, &[(15, "error.message", &["ClientIP is no IP address"])]);
    assert_exact(NAME, Schema::Ecs, &[(25, "o365.audit.ClientIP", &["198.51.100.7:52144:1"])]);
    assert_within(NAME, Schema::Ecs, &[(9, "related.ip", &["10.0.0.4", "198.51.100.7"])]);
}

#[test]
fn the_first_usable_address_wins() {
    const NAME: &str = "02-first-address-unusable.ndjson";
    for line in 1..=9 {
        assert_exact(NAME, Schema::Ecs, &[(line, "source.ip", &["198.51.100.9"])]);
        assert_exact(NAME, Schema::Ocsf, &[(line, "src_endpoint.ip", &["198.51.100.9"])]);
    }
}

#[test]
fn outcomes_as_words_and_numbers() {
    let Some(lines) = lines("03-result-status.ndjson") else { return };
    for (index, line) in lines.iter().enumerate() {
        let (outcome, status) = match index + 1 {
            1 | 8 | 23 => ("success", "1"),
            18..=20 | 22 => ("unknown", "0"),
            _ => ("failure", "2"),
        };
        assert_eq!(texts(&event(Schema::Ecs, line), "event.outcome"), [outcome], "line {}", index + 1);
        assert_eq!(texts(&event(Schema::Ocsf, line), "status_id"), [status], "line {}", index + 1);
    }
}

#[test]
fn outcomes_of_sign_ins() {
    const NAME: &str = "04-signin-outcome.ndjson";
    let Some(lines) = lines(NAME) else { return };
    for (index, line) in lines.iter().enumerate() {
        let (outcome, status) = if matches!(index + 1, 4..=9 | 12) { ("success", "1") } else { ("failure", "2") };
        assert_eq!(texts(&event(Schema::Ecs, line), "event.outcome"), [outcome], "line {}", index + 1);
        assert_eq!(texts(&event(Schema::Ocsf, line), "status_id"), [status], "line {}", index + 1);
    }
    assert_exact(NAME, Schema::Ecs, &[(9, "event.reason", &[]), (3, "event.reason", &["InvalidUserNameOrPassword"])]);
}

#[test]
fn ids_of_users() {
    const NAME: &str = "05-user-ids.ndjson";
    let split = [
        (1, "ben@partner.example"),
        (2, "cy@partner.example"),
        (4, "100320005c5f0001@live.com"),
        (5, "dee@fabrikam.example"),
        (17, "ANA.LEE@FABRIKAM.EXAMPLE"),
        (18, "ana.lee@fabrikam.example"),
        (22, "fim_password_service@support.onmicrosoft.com"),
    ];
    for (line, email) in split {
        let (name, domain) = email.split_once('@').unwrap();
        assert_exact(
            NAME,
            Schema::Ecs,
            &[(line, "user.email", &[email]), (line, "user.name", &[name]), (line, "user.domain", &[domain])],
        );
        assert_within(NAME, Schema::Ecs, &[(line, "related.user", &[email])]);
        assert_exact(NAME, Schema::Ocsf, &[(line, "actor.user.email_addr", &[email])]);
    }
    for (line, domain, name) in [(8, "SHAREPOINT", "system"), (9, "NT AUTHORITY", "SYSTEM"), (10, "FABRIKAM", "eve")] {
        assert_exact(NAME, Schema::Ecs, &[(line, "user.domain", &[domain]), (line, "user.name", &[name])]);
        assert_exact(NAME, Schema::Ecs, &[(line, "host.name", &[])]);
        assert_exact(NAME, Schema::Ocsf, &[(line, "actor.user.domain", &[domain]), (line, "actor.user.name", &[name])]);
    }
    for line in [13, 14, 15] {
        assert_exact(
            NAME,
            Schema::Ecs,
            &[(line, "user.id", &[]), (line, "user.name", &[]), (line, "related.user", &[])],
        );
        assert_exact(NAME, Schema::Ocsf, &[(line, "actor.user.name", &[])]);
    }
}

#[test]
fn items_of_mailboxes() {
    const NAME: &str = "07-mailitemsaccessed.ndjson";
    assert_exact(NAME, Schema::Ecs, &[(1, "email.message_id", &["<m1@mail.example>", "<m2@mail.example>"])]);
    assert_exact(
        NAME,
        Schema::Ecs,
        &[
            (1, "o365.audit.ExchangeAggregatedFolders.FolderItems.SizeInBytes", &["45123", "120000"]),
            (2, "user.target.email", &["boss@fabrikam.example"]),
        ],
    );
    assert_within(NAME, Schema::Ocsf, &[(1, "resources.uid", &["<m1@mail.example>", "<m2@mail.example>"])]);
    if let Some(lines) = lines(NAME) {
        let event = event(Schema::Ecs, &lines[0]);
        let items = &event["o365"]["audit"]["ExchangeAggregatedFolders"][0]["FolderItems"];
        assert!(items[0]["SizeInBytes"].is_number() && items[1]["SizeInBytes"].is_number(), "{event:#}");
    }
}

#[test]
fn where_mail_is_forwarded_to() {
    const NAME: &str = "08-inbox-rules.ndjson";
    for (line, targets) in [
        (1, &["drop@evil.example"][..]),
        (2, &["drop@evil.example", "drop2@evil.example"]),
        (3, &["drop@evil.example"]),
        (4, &["drop2@evil.example", "drop@evil.example"]),
        (5, &["drop@evil.example"]),
    ] {
        assert_exact(NAME, Schema::Ecs, &[(line, "email.to.address", targets)]);
        assert_within(NAME, Schema::Ecs, &[(line, "related.user", targets)]);
        assert_within(NAME, Schema::Ocsf, &[(line, "resources.name", targets), (line, "observables.value", targets)]);
    }
}

#[test]
fn data_loss_prevention_on_devices() {
    const NAME: &str = "09-dlp-endpoint.ndjson";
    assert_exact(
        NAME,
        Schema::Ecs,
        &[
            (1, "event.kind", &["alert"]),
            (1, "rule.name", &["SSN > 5"]),
            (1, "rule.ruleset", &["Block payroll upload"]),
            (1, "file.name", &["Pay Roll.xlsx"]),
            (1, "device.id", &["0f0e0d0c0b0a"]),
            (2, "event.kind", &["alert"]),
            (2, "file.name", &["a b.pdf"]),
            (2, "destination.address", &["Acme Stick"]),
        ],
    );
    assert_within(NAME, Schema::Ecs, &[(1, "rule.id", &["5a6b7c8d-4444-4000-8000-00000000ffff"])]);
    assert_exact(
        NAME,
        Schema::Ocsf,
        &[
            (1, "class_uid", &["2006"]),
            (1, "severity_id", &["4"]),
            (1, "device.uid", &["0f0e0d0c0b0a"]),
            (2, "class_uid", &["2006"]),
            (2, "severity_id", &["2"]),
            (2, "resources.name", &["Acme Stick"]),
        ],
    );
    // What an input says of the target is kept whatever it is called.
    if let Some(lines) = lines(NAME) {
        let event = event(Schema::Ecs, &lines[0]);
        let target = texts(&event, "o365.audit.TargetDomain");
        assert_eq!(texts(&event, "destination.domain"), target, "{event:#}");
    }
}

#[test]
fn data_of_alerts() {
    const NAME: &str = "12-alerts.ndjson";
    assert_exact(
        NAME,
        Schema::Ecs,
        &[
            (1, "email.sender.address", &["ceo@evil.example"]),
            (1, "email.to.address", &["bo@fabrikam.example"]),
            (2, "source.ip", &["203.0.113.5"]),
            (2, "source.port", &["443"]),
            (2, "related.ip", &["203.0.113.5"]),
            (3, "event.severity", &["5"]),
        ],
    );
    assert_within(NAME, Schema::Ocsf, &[(2, "evidences.src_endpoint.ip", &["203.0.113.5"])]);
    assert_within(NAME, Schema::Ocsf, &[(1, "evidences.email.from", &["ceo@evil.example"])]);
}

#[test]
fn delegates_and_acts_on_several_items() {
    const NAME: &str = "13-mailbox-delegate.ndjson";
    let boss: &[&str] = &["boss@fabrikam.example"];
    for (line, targets) in [
        (1, boss),
        (2, boss),
        (3, boss),
        (4, boss),
        (5, &["boss@fabrikam.example", "drop@fabrikam.example"]),
        (6, &["boss@fabrikam.example", "drop@fabrikam.example"]),
    ] {
        assert_exact(NAME, Schema::Ecs, &[(line, "user.target.email", targets)]);
        assert_within(NAME, Schema::Ecs, &[(line, "related.user", targets)]);
        assert_within(NAME, Schema::Ocsf, &[(line, "observables.value", targets)]);
    }
    assert_exact(
        NAME,
        Schema::Ecs,
        &[
            (1, "email.from.address", boss),
            (1, "email.attachments.file.name", &["inv.pdf", "a;b.txt"]),
            (2, "email.from.address", boss),
            (3, "email.subject", &["Security alert"]),
            (3, "email.message_id", &["<m2@fabrikam.example>"]),
            (3, "email.attachments.file.name", &["a.txt"]),
            (4, "email.message_id", &["<m3@fabrikam.example>", "<m4@fabrikam.example>"]),
        ],
    );
    assert_exact(NAME, Schema::Ocsf, &[(1, "email.from", boss), (2, "email.from", boss)]);
}

#[test]
fn nothing_is_made_of_a_command_line() {
    const NAME: &str = "16-polymorphic.ndjson";
    assert_exact(
        NAME,
        Schema::Ecs,
        &[(3, "email.local_id", &[]), (3, "o365.audit.NetworkMessageId", &[]), (4, "event.outcome", &["failure"])],
    );
    assert_exact(NAME, Schema::Ecs, &[(5, "event.outcome", &["failure"])]);
    assert_within(
        NAME,
        Schema::Ecs,
        &[
            (7, "user.target.email", &["ana.lee@fabrikam.example"]),
            (8, "user.target.email", &["cy@partner.example"]),
            (8, "related.user", &["cy@partner.example"]),
        ],
    );
}
