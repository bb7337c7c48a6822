use super::*;
use crate::normalize::{NormalizeOptions, Schema};

/// The facts of a file of records.
fn facts(text: &'static str) -> Vec<Fact> {
    let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Raw));
    let records: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
    let fact = |text: &serde_json::value::RawValue| {
        let mut members = RecordMembers::default();
        let record = text.get().to_owned().into();
        let record = JsonObject::parse_visiting(record, |name, raw| members.visit(name, raw)).ok()?;
        normalizer.fact(&record, &members, &Origin::outside(None))
    };
    records.iter().filter_map(|record| fact(record)).collect()
}

fn logons(text: &'static str) -> Vec<LogonFact> {
    let logon = |fact: Fact| match fact.what {
        What::Logon(fact) => Some(fact),
        _ => None,
    };
    facts(text).into_iter().filter_map(logon).collect()
}

#[test]
fn logons_of_entra_have_the_schemas_client_user_and_outcome() {
    let logons = logons(include_str!("../../../tests/records/entra.json"));
    let seen: Vec<_> = logons
        .iter()
        .map(|fact| (fact.user.as_deref().unwrap(), fact.source.as_deref().unwrap(), fact.outcome.as_str()))
        .collect();
    assert!(logons.iter().all(|fact| fact.place == LogonPlace::Entra && fact.country.is_none()));
    assert!(seen.contains(&("bruno.keller@contoso.com", "2001:db8:4e2:7::1f", "success")), "{seen:?}");
    // Entra writes `"ResultStatus":"Success"` for failed sign-ins, too.
    assert!(seen.contains(&("chloe.marchand@contoso.com", "203.0.113.77", "failure")), "{seen:?}");
    // The older record type.
    assert!(seen.contains(&("dmitri.novak@contoso.com", "203.0.113.201", "failure")), "{seen:?}");
}

#[test]
fn a_logon_to_a_mailbox_is_one() {
    let logons = logons(
        r#"[{"RecordType":2,"CreationTime":"2026-01-01T00:00:00","Operation":"MailboxLogin","UserId":"A@B.example",
            "ClientIPAddress":"[192.0.2.9]:443","LogonError":"AccessDenied"},
            {"RecordType":2,"CreationTime":"2026-01-01T00:00:00","Operation":"MailItemsAccessed","UserId":"a@b.example"},
            {"RecordType":15,"CreationTime":"2026-01-01T00:00:00","Operation":"UserLoggedOut","UserId":"a@b.example"}]"#,
    );
    let expected = LogonFact {
        place: LogonPlace::Mailbox,
        outcome: Outcome::Failure,
        source: Some("192.0.2.9".to_owned()),
        user: Some("a@b.example".to_owned()),
        country: None,
    };
    assert_eq!(logons, [expected]);
}

#[test]
fn links_have_kind_act_item_and_user() {
    let links =
        facts(include_str!("../../../tests/records/sharepoint.json")).into_iter().filter_map(|fact| match fact.what {
            What::Link(fact) => Some(fact),
            _ => None,
        });
    let links: Vec<_> = links.map(|fact| (fact.kind, fact.act, fact.user.unwrap(), fact.item.unwrap())).collect();
    let budget = "https://contoso.sharepoint.com/sites/finance/Shared Documents/Q1/Budget 2026.xlsx";
    let expected = |kind, act, user: &str| links.contains(&(kind, act, user.to_owned(), budget.to_owned()));
    assert!(expected(LinkKind::Anonymous, LinkAct::Made, "bruno.keller@contoso.com"), "{links:?}");
    assert!(expected(LinkKind::Anonymous, LinkAct::Used, "anonymous"), "{links:?}");
    let count = |kind, act| links.iter().filter(|link| (link.0, link.1) == (kind, act)).count();
    assert_eq!(count(LinkKind::Company, LinkAct::Made), 1);
    assert_eq!((count(LinkKind::Secure, LinkAct::Made), count(LinkKind::Secure, LinkAct::Changed)), (1, 2));
}

#[test]
fn labels_have_action_id_and_name() {
    let labels =
        facts(include_str!("../../../tests/records/labels.json")).into_iter().filter_map(|fact| match fact.what {
            What::Label(fact) => Some(fact),
            _ => None,
        });
    let labels: Vec<_> = labels.collect();
    let has = |action, id: &str| labels.iter().any(|fact| fact.action == action && fact.id.as_deref() == Some(id));
    assert!(has(LabelAction::Applied, "73c34fb7-868e-5944-8dad-6d3b68379734"), "{labels:?}");
    assert!(has(LabelAction::Lowered, "e6ba4baa-1a7a-5a64-a814-44884dfd6dc9"), "{labels:?}");
    // The label that was there.
    assert!(has(LabelAction::Removed, "73c34fb7-868e-5944-8dad-6d3b68379734"), "{labels:?}");
    assert!(has(LabelAction::Recommended, "73c34fb7-868e-5944-8dad-6d3b68379734"), "{labels:?}");
    assert!(labels.iter().any(|fact| fact.name.as_deref() == Some("Confidential") && fact.action == LabelAction::Met));
}

#[test]
fn hostile_records_and_those_without_a_time_make_no_panic() {
    facts(include_str!("../../../tests/records/hostile.json"));
    let none =
        facts(r#"[{"RecordType":15,"Operation":"UserLoggedIn"},{"Operation":7},{"Operation":["UserLoggedIn"]},{}]"#);
    assert_eq!(none, []);
    let [fact] = facts(
        r#"[{"recordtype":"15","operation":"USERLOGGEDIN","creationtime":"2026-01-01T00:00:00","userid":"a@b.example"}]"#,
    )
    .try_into()
    .unwrap();
    assert!(matches!(fact.what, What::Logon(LogonFact { user: Some(user), .. }) if user == "a@b.example"));
}

#[test]
fn what_can_open_an_item_is_left_out() {
    let link = facts(
        r#"[{"RecordType":14,"CreationTime":"2026-01-01T00:00:00","Operation":"AnonymousLinkUsed",
            "ObjectId":"https://c.example/a.docx?e=secret"}]"#,
    );
    assert!(matches!(&link[0].what, What::Link(fact) if fact.item.as_deref() == Some("https://c.example/a.docx")));
}
