//! The audit search of Microsoft Graph as the second way to the same records, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use office365_source::{
    RunMode,
    audit_search::{DayReport, DayState, Report, SearchTask, Verdict, report},
    config::{AuditSearchConfig, VerifyRhythm},
    content::{ContentType, TenantId},
    ledger::RedbLedger,
    simulator::{
        Backlog, BlobSpec, Faults, GraphConfig, GraphFaults, GraphOperation, Live, SimulatedTenant, Simulator,
        SimulatorConfig, Slow, TenantFault,
    },
};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{
    Arrived, Running, Setup,
    lab::{self, Lab},
    no_violations, simulator, source_config, start_of_time,
    telemetry::Listening,
    wire::Answer,
};

/// A lab whose source uses the audit search and lists every ten minutes.
fn lab(config: SimulatorConfig) -> Lab {
    let mut lab = Lab::of(config);
    lab.source.audit_search = Some(AuditSearchConfig::default());
    lab.source.poll.interval_secs = 600;
    lab
}

fn faulty(graph: GraphFaults) -> SimulatorConfig {
    SimulatorConfig { faults: Faults { graph, ..Faults::default() }, ..lab::empty() }
}

fn search(lab: &mut Lab) -> &mut AuditSearchConfig {
    lab.source.audit_search.as_mut().unwrap()
}

/// The day on which the events of the lab happen.
fn the_day() -> NaiveDate {
    start_of_time().date_naive()
}

/// Publishes events in content that is never listed.
fn hide(lab: &Lab, ids: &[&str]) {
    let events: Vec<_> = ids.iter().map(|id| lab.event(id)).collect();
    let body = Value::from(events).to_string();
    lab.simulator.add_blob(lab.feed, BlobSpec::new(body, lab.ago(30)).unlisted());
}

async fn hours(hours: u64) {
    tokio::time::sleep(Duration::from_hours(hours)).await;
}

/// Lets the source run until something holds that it does by itself.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..24 * 40 {
        if holds() {
            return;
        }
        hours(1).await;
    }
    panic!("not within 40 days");
}

/// What the ledger of a source that has stopped says of these days.
async fn report_of(
    data: &std::path::Path,
    tenants: &[TenantId],
    content_types: &[ContentType],
    range: (NaiveDate, NaiveDate),
    now: DateTime<Utc>,
) -> Report {
    let ledger = RedbLedger::open(&data.join("m365"), TimeDelta::days(15)).await.unwrap();
    let tenants: BTreeMap<_, _> = tenants.iter().map(|tenant| (*tenant, None)).collect();
    report(&ledger, &tenants, content_types, range, now).await.unwrap()
}

async fn day_of(lab: &Lab) -> DayReport {
    let content_types = &lab.source.content_types;
    let report = report_of(lab.data.path(), &[lab.feed.tenant], content_types, (the_day(), the_day()), lab.now()).await;
    report.days.into_iter().next().unwrap()
}

fn queries_created(lab: &Lab) -> usize {
    lab.simulator.stats().graph.submissions.get(&lab.feed.tenant).map_or(0, Vec::len)
}

/// Runs the source until the day is ripe and its comparison must be over, and stops it.
async fn compared(lab: &Lab) -> DayReport {
    let running = lab.start().await;
    hours(110).await;
    running.stop().await;
    day_of(lab).await
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_found_and_healed_once() {
    let mut lab = lab(lab::empty());
    lab.source.content_types = ContentType::ALL.to_vec();
    lab.publish(&["a", "b"]);
    hide(&lab, &["b", "c", "d"]);
    let running = lab.start().await;
    hours(80).await;
    lab.assert_arrived_once(&["a", "b"]);
    assert_eq!(queries_created(&lab), 0, "the day is not old enough");
    until(|| lab.ids().len() == 4).await;
    hours(48).await;
    let texts = running.texts.lock().unwrap().clone();
    running.stop().await;
    lab.assert_arrived_once(&["a", "b", "c", "d"]);
    let healed: Value = serde_json::from_str(texts.iter().find(|text| text.contains("\"c\"")).unwrap()).unwrap();
    assert!(healed["o365"]["content"]["id"].as_str().unwrap().starts_with("auditLogQuery:"), "{healed}");
    assert_eq!(healed["o365"]["content"]["type"], "Audit.General");
    let plain: Value = serde_json::from_str(texts.iter().find(|text| text.contains("\"a\"")).unwrap()).unwrap();
    let names = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&healed), names(&plain), "the same record as live collection has");
    let day = day_of(&lab).await;
    assert_eq!(day.state, DayState::Complete);
    assert_eq!((day.delivered, day.found, day.missing, day.healed, day.only_here), (4, 4, 0, 2, 0));
    assert_eq!(lab.simulator.stats().graph.requests_for(GraphOperation::DeleteQuery), queries_created(&lab) as u64);
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn without_healing_a_hole_is_told_and_stays() {
    let mut lab = lab(lab::empty());
    search(&mut lab).heal = false;
    lab.publish(&["a", "b"]);
    hide(&lab, &["b", "c", "d"]);
    let day = compared(&lab).await;
    lab.assert_arrived_once(&["a", "b"]);
    assert_eq!(day.state, DayState::Incomplete);
    assert_eq!((day.delivered, day.found, day.missing, day.healed, day.only_here), (2, 4, 2, 0, 0));

    // It is healed once that is wanted.
    search(&mut lab).heal = true;
    let day = compared(&lab).await;
    lab.assert_arrived_once(&["a", "b", "c", "d"]);
    assert_eq!((day.state, day.missing, day.healed), (DayState::Complete, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn what_only_the_search_lacks_is_no_gap() {
    let lab = lab(faulty(GraphFaults { lacking: 0.5, ..GraphFaults::default() }));
    let ids: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    lab.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let day = compared(&lab).await;
    assert_eq!((day.state, day.delivered, day.missing), (DayState::Complete, 40, 0));
    assert!((1..40).contains(&day.found), "{day:?}");
    assert_eq!(day.only_here, 40 - day.found);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_finds_nothing_of_what_was_delivered_proves_nothing() {
    let lab = lab(lab::empty());
    lab.publish(&["a", "b"]);
    lab.wire.rewrite(|sent, answer| {
        let body = if sent.asks("/records") { r#"{"value":[]}"#.into() } else { answer.body.clone() };
        Ok(Answer { body, ..answer })
    });
    let day = compared(&lab).await;
    assert_eq!((day.state, day.delivered, day.found, day.missing, day.only_here), (DayState::Unknown, 2, 0, 0, 2));
    assert!(day.problem.as_ref().is_some_and(|problem| problem.contains("finds no record at all")), "{day:?}");
    // It is asked again, and believed when it shows something.
    lab.wire.rewrite(|_, answer| Ok(answer));
    let running = lab.start().await;
    hours(48).await;
    running.stop().await;
    let day = day_of(&lab).await;
    assert_eq!((day.state, day.found, day.problem), (DayState::Complete, 2, None));
}

/// Has every record changed that the search shows.
fn change_records(lab: &Lab, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    lab.wire.rewrite(move |sent, answer| {
        if !sent.asks("/records") || !answer.status.is_success() {
            return Ok(answer);
        }
        let mut page: Value = serde_json::from_slice(&answer.body).unwrap();
        page["value"].as_array_mut().unwrap().iter_mut().for_each(&change);
        Ok(Answer { body: page.to_string().into(), ..answer })
    });
}

#[tokio::test(start_paused = true)]
async fn records_without_an_id_keep_a_day_from_being_told() {
    let lab = lab(lab::empty());
    lab.publish(&["a"]);
    hide(&lab, &["b", "c"]);
    change_records(&lab, |record| {
        if record["id"] == "c" {
            record.as_object_mut().unwrap().remove("id");
            record["auditData"]["Id"] = Value::Null;
        }
    });
    let day = compared(&lab).await;
    assert_eq!((day.state, day.found, day.healed), (DayState::Unknown, 2, 1));
    assert!(day.problem.as_ref().is_some_and(|problem| problem.contains("1 of the records")), "{day:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_counts_where_the_search_shows_it_whatever_time_it_has() {
    let mut lab = lab(lab::empty());
    search(&mut lab).heal = false;
    lab.publish(&["a"]);
    hide(&lab, &["b", "c"]);
    change_records(&lab, |record| match record["auditData"]["Id"].as_str() {
        // Early in the morning of the next day, which is late on the day in UTC.
        Some("b") => record["auditData"]["CreationTime"] = "2001-02-03T04:05:06+09:00".into(),
        Some("c") => record["auditData"]["CreationTime"] = "some day".into(),
        _ => {}
    });
    let day = compared(&lab).await;
    assert_eq!((day.state, day.found, day.missing), (DayState::Incomplete, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn the_beta_version_is_used_where_the_first_was_withdrawn() {
    let lab = lab(faulty(GraphFaults { v1_withdrawn: true, ..GraphFaults::default() }));
    hide(&lab, &["a"]);
    assert_eq!(compared(&lab).await.state, DayState::Complete);
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_query_whose_creation_was_not_answered_is_found_by_its_name() {
    let lab = lab(faulty(GraphFaults { lost_answers: 1.0, ..GraphFaults::default() }));
    hide(&lab, &["a"]);
    assert_eq!(compared(&lab).await.state, DayState::Complete);
    lab.assert_arrived_once(&["a"]);
    let stats = lab.simulator.stats().graph;
    assert!(stats.lost_answers > 0);
    // One for each day that was compared.
    assert_eq!(queries_created(&lab) as u64, stats.lost_answers);
    let running = lab.start().await;
    hours(24).await;
    running.stop().await;
    let stats = lab.simulator.stats().graph;
    assert_eq!(stats.lost_answers, queries_created(&lab) as u64, "none was created twice");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_stuck_is_made_anew() {
    let lab = lab(faulty(GraphFaults { stuck_rate: 1.0, ..GraphFaults::default() }));
    hide(&lab, &["a"]);
    let running = lab.start().await;
    until(|| queries_created(&lab) >= 2).await;
    lab.simulator.faults().update(|faults| faults.graph.stuck_rate = 0.0);
    until(|| lab.ids().len() == 1).await;
    running.stop().await;
    assert_eq!(day_of(&lab).await.state, DayState::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_gone_is_made_anew() {
    // Microsoft forgets them before it has finished them.
    let kept = GraphConfig { queries_kept: Duration::from_hours(2), ..GraphConfig::default() };
    let lab = lab(SimulatorConfig { graph: kept, ..faulty(GraphFaults { stuck_rate: 1.0, ..GraphFaults::default() }) });
    hide(&lab, &["a"]);
    let running = lab.start().await;
    until(|| queries_created(&lab) > 1).await;
    lab.simulator.faults().update(|faults| faults.graph.stuck_rate = 0.0);
    until(|| lab.ids().len() == 1).await;
    running.stop().await;
    assert_eq!(day_of(&lab).await.state, DayState::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_day_that_cannot_be_searched_is_unknown_and_tried_again() {
    let lab = lab(faulty(GraphFaults { failed_rate: 1.0, ..GraphFaults::default() }));
    hide(&lab, &["a"]);
    let day = compared(&lab).await;
    assert_eq!(day.state, DayState::Unknown);
    assert!(day.problem.as_ref().unwrap().contains("could not carry its query out"), "{day:?}");
    lab.simulator.faults().update(|faults| faults.graph.failed_rate = 0.0);
    let running = lab.start().await;
    hours(30).await;
    running.stop().await;
    assert_eq!(day_of(&lab).await.state, DayState::Complete);
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_cut_is_halved_until_none_is() {
    let config = SimulatorConfig { graph: GraphConfig { record_limit: 10, ..GraphConfig::default() }, ..lab::empty() };
    let lab = lab(config);
    let ids: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let events = ids.iter().enumerate().map(|(number, id)| {
        let mut event = lab.event(id);
        event["CreationTime"] = format!("2026-08-01T{:02}:{:02}:00", number / 12, number % 12 * 5).into();
        event
    });
    let body = Value::from(events.collect::<Vec<_>>()).to_string();
    lab.simulator.add_blob(lab.feed, BlobSpec::new(body, lab.ago(30)).unlisted());
    let day = compared(&lab).await;
    assert_eq!((day.state, day.found, day.healed), (DayState::Complete, 100, 100));
    lab.assert_arrived_once(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(queries_created(&lab) > 10);
}

#[tokio::test(start_paused = true)]
async fn a_minute_with_too_many_records_is_searched_by_record_types_and_told() {
    let config = SimulatorConfig { graph: GraphConfig { record_limit: 3, ..GraphConfig::default() }, ..lab::empty() };
    let mut lab = lab(config);
    search(&mut lab).budget_per_day = 200;
    let types = [(25, "MicrosoftTeams"), (20, "PowerBI"), (30, "MicrosoftFlow"), (45, "PowerApps")];
    let events = types.iter().enumerate().map(|(number, (record_type, workload))| {
        let mut event = lab.event(&number.to_string());
        event["RecordType"] = (*record_type).into();
        event["Workload"] = (*workload).into();
        event
    });
    let body = Value::from(events.collect::<Vec<_>>()).to_string();
    lab.simulator.add_blob(lab.feed, BlobSpec::new(body, lab.ago(30)).unlisted());
    let day = compared(&lab).await;
    lab.assert_arrived_once(&["0", "1", "2", "3"]);
    assert_eq!((day.state, day.found), (DayState::Unknown, 4));
    assert!(day.problem.as_ref().unwrap().contains("record types that this version does not know"), "{day:?}");
}

#[tokio::test(start_paused = true)]
async fn passes_that_disagree_are_taken_together() {
    let lab = lab(faulty(GraphFaults { omitted_in_pass: 0.3, ..GraphFaults::default() }));
    let ids: Vec<_> = (0..400).map(|number| number.to_string()).collect();
    hide(&lab, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let day = compared(&lab).await;
    assert_eq!((day.state, day.found), (DayState::Complete, 400));
    lab.assert_arrived_once(&ids.iter().map(String::as_str).collect::<Vec<_>>());
}

/// How often records were asked for, and how often ids alone.
fn passes_asked(lab: &Lab) -> (usize, usize) {
    let first_pages = lab.wire.sent_to("/records").into_iter().filter(|sent| sent.parameter("$skiptoken").is_none());
    let (ids, records): (Vec<_>, Vec<_>) = first_pages.partition(|sent| sent.parameter("$select").is_some());
    (records.len(), ids.len())
}

#[tokio::test(start_paused = true)]
async fn the_second_pass_asks_for_ids_alone_unless_that_is_refused() {
    let ids: Vec<_> = (0..400).map(|number| number.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    // Two days are compared. A refusal is not asked for twice.
    for (select_refused, passes) in [(false, (2, 2)), (true, (4, 1))] {
        let lab = lab(faulty(GraphFaults { select_refused, ..GraphFaults::default() }));
        hide(&lab, &ids);
        let day = compared(&lab).await;
        assert_eq!((day.state, day.found, passes_asked(&lab)), (DayState::Complete, 400, passes));
        lab.assert_arrived_once(&{
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_first_pass_is_not_believed() {
    let lab = lab(lab::empty());
    hide(&lab, &["b"]);
    let mut asked = 0;
    lab.wire.rewrite(move |sent, answer| {
        if !sent.asks("/records") {
            return Ok(answer);
        }
        asked += 1;
        let body = if asked == 1 { r#"{"value":[]}"#.into() } else { answer.body.clone() };
        Ok(Answer { body, ..answer })
    });
    let day = compared(&lab).await;
    assert_eq!((day.state, day.found, day.healed), (DayState::Complete, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_while_a_query_is_read_stays_so_when_reading_breaks_off() {
    let lab = lab(SimulatorConfig { graph: GraphConfig { page_size: 10, ..GraphConfig::default() }, ..lab::empty() });
    let ids: Vec<_> = (10..40).map(|number| number.to_string()).collect();
    hide(&lab, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    lab.wire.rewrite(|sent, answer| {
        let is_broken = sent.asks("/records") && sent.parameter("$skiptoken").is_some();
        let status = if is_broken { http::StatusCode::SERVICE_UNAVAILABLE } else { answer.status };
        Ok(Answer { status, ..answer })
    });
    let running = lab.start().await;
    until(|| !lab.ids().is_empty()).await;
    hours(12).await;
    assert_eq!(lab.ids().len(), 10, "the first page, once");
    lab.wire.rewrite(|_, answer| Ok(answer));
    until(|| lab.ids().len() == 30).await;
    hours(48).await;
    running.stop().await;
    lab.assert_arrived_once(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let day = day_of(&lab).await;
    assert_eq!((day.state, day.found, day.healed), (DayState::Complete, 30, 30));
}

#[tokio::test(start_paused = true)]
async fn pages_that_lead_in_a_circle_are_told_and_not_followed() {
    let lab = lab(lab::empty());
    hide(&lab, &["b"]);
    lab.wire.rewrite(|sent, answer| {
        if !sent.asks("/records") || !answer.status.is_success() {
            return Ok(answer);
        }
        let mut page: Value = serde_json::from_slice(&answer.body).unwrap();
        page["@odata.nextLink"] = sent.url.as_str().into();
        Ok(Answer { body: page.to_string().into(), ..answer })
    });
    let running = lab.start().await;
    hours(100).await;
    assert!(lab.log.text().contains("its pages lead in a circle"), "{}", lab.log.text());
    assert!(lab.wire.sent_to("/records").len() < 200);
    running.stop().await;
    // What the first page has is delivered, and proves nothing.
    lab.assert_arrived_once(&["b"]);
    assert_eq!(day_of(&lab).await.state, DayState::Searching);
    // Microsoft has repaired it.
    lab.wire.rewrite(|_, answer| Ok(answer));
    let running = lab.start().await;
    hours(48).await;
    running.stop().await;
    lab.assert_arrived_once(&["b"]);
    assert_eq!(day_of(&lab).await.state, DayState::Complete);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_kept_whatever_fails() {
    let mut lab = lab(faulty(GraphFaults { failed_rate: 0.5, ..GraphFaults::stormy() }));
    search(&mut lab).budget_per_day = 3;
    for day in 0..12 {
        let ids = [format!("{day}-a"), format!("{day}-b")];
        let events = ids.iter().map(|id| {
            let mut event = lab.event(id);
            event["CreationTime"] = format!("2026-08-{:02}T05:00:00", day + 1).into();
            event
        });
        let body = Value::from(events.collect::<Vec<_>>()).to_string();
        let created = start_of_time() + TimeDelta::days(day);
        lab.simulator.add_blob(lab.feed, BlobSpec::new(body, created).unlisted());
    }
    let running = lab.start().await;
    until(|| lab.ids().len() == 24).await;
    running.stop().await;
    let most = lab.simulator.stats().graph.most_submissions_in_a_day(lab.feed.tenant);
    assert!((1..=3).contains(&most), "{most}");
    assert!(lab.ids().iter().all(|(_, times)| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_who_uses_up_the_tenant_s_queries_only_delays() {
    let lab = lab(faulty(GraphFaults { neighbour_submissions: 200, ..GraphFaults::default() }));
    hide(&lab, &["a"]);
    let running = lab.start().await;
    hours(110).await;
    assert_eq!(queries_created(&lab), 0);
    lab.simulator.faults().update(|faults| faults.graph.neighbour_submissions = 0);
    until(|| lab.ids().len() == 1).await;
    running.stop().await;
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_told_and_costs_neither_queries_nor_live_collection() {
    let mut config = lab::empty();
    config.tenants[0].graph_roles.clear();
    let lab = lab(config);
    hide(&lab, &["b"]);
    let running = lab.start().await;
    hours(100).await;
    lab.publish_at(&["a"], lab.now());
    hours(1).await;
    lab.assert_arrived_once(&["a"]);
    let problem = running.problem(lab.feed_of(ContentType::AuditLogQuery)).unwrap();
    assert!(problem.contains("AuditLogsQuery.Read.All") && problem.contains("Grant admin consent"), "{problem}");
    assert_eq!(lab.simulator.stats().graph.total_requests(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn auditing_that_is_off_is_told_and_waited_for() {
    let lab = lab(faulty(GraphFaults { stuck_rate: 1.0, ..GraphFaults::default() }));
    hide(&lab, &["b"]);
    let running = lab.start().await;
    until(|| queries_created(&lab) > 0).await;
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::AuditingDisabled);
    hours(2).await;
    let problem = running.problem(lab.feed_of(ContentType::AuditLogQuery)).unwrap();
    assert!(problem.contains("unified auditing is off"), "{problem}");
    lab.simulator.heal_tenant(lab.feed.tenant);
    lab.simulator.faults().update(|faults| faults.graph.stuck_rate = 0.0);
    until(|| lab.ids().len() == 1).await;
    assert_eq!(running.problem(lab.feed_of(ContentType::AuditLogQuery)), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_revoked_is_replaced() {
    let lab = lab(lab::empty());
    hide(&lab, &["a"]);
    let running = lab.start().await;
    for _ in 0..110 {
        lab.simulator.revoke_tokens();
        hours(1).await;
    }
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn content_types_that_a_permission_hides_cannot_be_told() {
    let mut config = lab::empty();
    config.tenants[0].graph_roles = vec!["AuditLogsQuery-Exchange.Read.All".to_owned()];
    let mut lab = lab(config);
    lab.source.content_types = vec![ContentType::Exchange, ContentType::General];
    let mail = |id: &str| {
        let mut event = lab.event(id);
        event["Workload"] = "Exchange".into();
        event["RecordType"] = 2.into();
        event
    };
    let exchange = lab.feed_of(ContentType::Exchange);
    lab.simulator.publish_events(exchange, vec![mail("m1")], lab.ago(60));
    let hidden = Value::from(vec![mail("m2"), lab.event("t")]).to_string();
    lab.simulator.add_blob(exchange, BlobSpec::new(hidden, lab.ago(30)).unlisted());
    let day = compared(&lab).await;
    lab.assert_arrived_once(&["m1", "m2"]);
    assert_eq!((day.state, day.found, day.healed), (DayState::Unknown, 2, 1));
    assert_eq!(day.hidden, [ContentType::General]);
}

#[tokio::test(start_paused = true)]
async fn records_that_the_source_does_not_want_are_not_missed() {
    use office365_source::config::FilterConfig;
    let mut lab = lab(lab::empty());
    lab.source.filters.exclude =
        vec![FilterConfig { operation: Some(vec!["Noise".to_owned()]), ..FilterConfig::default() }];
    let mut noise = lab.event("noise");
    noise["Operation"] = "Noise".into();
    let mut mail = lab.event("mail");
    mail["Workload"] = "Exchange".into();
    let hidden = Value::from(vec![noise, mail, lab.event("a")]).to_string();
    lab.simulator.add_blob(lab.feed, BlobSpec::new(hidden, lab.ago(30)).unlisted());
    let day = compared(&lab).await;
    lab.assert_arrived_once(&["a"]);
    assert_eq!((day.state, day.found, day.missing), (DayState::Complete, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_microsoft_lists_is_healed_also_without_verification() {
    let mut lab = lab(lab::empty());
    search(&mut lab).verify = VerifyRhythm::Off;
    let running = lab.start().await;
    hours(60).await;
    running.stop().await;
    // Content of each day of an outage of twelve days.
    let event = |day: i64| {
        let at = start_of_time() + TimeDelta::days(day);
        let mut event = lab.event(&day.to_string());
        event["CreationTime"] = at.format("%Y-%m-%dT%H:%M:%S").to_string().into();
        (event, at + TimeDelta::hours(1))
    };
    for day in 3..15 {
        let (event, created) = event(day);
        lab.simulator.publish_events(lab.feed, vec![event], created);
    }
    hours(12 * 24).await;
    let running = lab.start().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(lab.ids().len() < 10, "Microsoft lists seven days: {:?}", lab.ids());
    until(|| lab.ids().len() == 12).await;
    hours(48).await;
    running.stop().await;
    assert!(lab.ids().iter().all(|(_, times)| *times == 1), "{:?}", lab.ids());
    let created = queries_created(&lab);
    assert!((5..=8).contains(&created), "only the days that were not listed: {created}");
}

/// A run that compares days and ends.
async fn task(lab: &Lab, task: SearchTask) -> (Result<(), ()>, Running) {
    let mut setup = lab.setup(RunMode::Once { patience: Duration::from_mins(10) });
    setup.search = Some(task);
    setup.run().await
}

#[tokio::test(start_paused = true)]
async fn days_before_the_source_began_are_delivered_when_somebody_asks() {
    let lab = lab(lab::empty());
    let old = |day: i64| {
        let at = start_of_time() - TimeDelta::days(day);
        let mut event = lab.event(&day.to_string());
        event["CreationTime"] = at.format("%Y-%m-%dT%H:%M:%S").to_string().into();
        lab.simulator.publish_events(lab.feed, vec![event], at + TimeDelta::hours(1));
    };
    (5..25).for_each(old);
    let range = (the_day() - TimeDelta::days(24), the_day() - TimeDelta::days(5));
    let ask = SearchTask { from: range.0, through: range.1, tenant: None, heals: false, again: false };
    let (verified, _) = task(&lab, ask).await;
    verified.unwrap();
    assert!(lab.ids().is_empty());
    let content_types = &lab.source.content_types;
    let report = report_of(lab.data.path(), &[lab.feed.tenant], content_types, range, lab.now()).await;
    assert_eq!((report.verdict, report.days.iter().map(|day| day.missing).sum::<u64>()), (Verdict::Incomplete, 20));

    let (filled, _) = task(&lab, SearchTask { heals: true, ..ask }).await;
    filled.unwrap();
    assert_eq!(lab.ids().len(), 20);
    let created = queries_created(&lab);
    let (again, _) = task(&lab, SearchTask { heals: true, ..ask }).await;
    again.unwrap();
    assert_eq!((lab.ids().iter().map(|(_, times)| times).sum::<u32>(), queries_created(&lab)), (20, created));
    let report = report_of(lab.data.path(), &[lab.feed.tenant], content_types, range, lab.now()).await;
    assert_eq!(report.verdict, Verdict::Complete, "{report:#?}");
    let stats = lab.simulator.stats();
    assert_eq!(stats.total_requests(), 0, "the other API was not asked");
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn a_command_waits_for_its_own_days_alone() {
    let mut lab = lab(lab::empty());
    search(&mut lab).budget_per_day = 1;
    let day = |days| the_day() - TimeDelta::days(days);
    let ask = |from, through| SearchTask { from, through, tenant: None, heals: true, again: false };
    let mut setup = lab.setup(RunMode::Once { patience: Duration::from_mins(10) });
    setup.search = Some(ask(day(7), day(6)));
    let running = setup.start().await;
    hours(1).await;
    running.crash().await;
    let began = lab.now();
    // The first of the two was compared, and the other one has to wait for the budget.
    let (compared, _) = task(&lab, ask(day(7), day(7))).await;
    compared.unwrap();
    assert!(lab.now() - began < TimeDelta::hours(1));
    let content_types = &lab.source.content_types;
    let report = report_of(lab.data.path(), &[lab.feed.tenant], content_types, (day(7), day(6)), lab.now()).await;
    assert_eq!([report.days[0].state, report.days[1].state], [DayState::Complete, DayState::Searching]);
    assert!(report.pause().is_some(), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_queries_work_and_are_read_repeats_and_loses_nothing() {
    let lab = lab(faulty(GraphFaults { slow: None, ..GraphFaults::stormy() }));
    let ids: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    hide(&lab, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut running = lab.start().await;
    hours(84).await;
    // The searches of the day begin now; the source is killed every few minutes.
    for _ in 0..40 {
        running.crash().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(97)).await;
    }
    until(|| lab.ids().len() == 2_000).await;
    hours(6).await;
    running.stop().await;
    let day = day_of(&lab).await;
    assert_eq!((day.state, day.found, day.missing, day.healed), (DayState::Complete, 2_000, 0, 2_000));
}

/// Three tenants with holes in what is listed.
fn troubled() -> SimulatorConfig {
    let third = SimulatedTenant::new(TenantId(Uuid::from_u128(0x7a11)), Uuid::from_u128(0x7a12), "tailspin.com");
    let mut tenants = vec![SimulatedTenant::contoso(), SimulatedTenant::fabrikam(), third];
    let first = tenants[0].clone();
    for tenant in &mut tenants {
        tenant.client_id = first.client_id;
        tenant.client_secret.clone_from(&first.client_secret);
        tenant.subscribed_since = Some(Duration::from_hours(30 * 24));
    }
    SimulatorConfig {
        tenants,
        backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
        live: Some(Live { every: Duration::from_hours(5), events_per_blob: 1..=4 }),
        faults: Faults {
            unlisted: 0.05,
            graph: GraphFaults {
                lacking: 0.03,
                slow: Some(Slow { share: 0.05, by: Duration::from_hours(2)..=Duration::from_hours(5) }),
                ..GraphFaults::stormy()
            },
            ..Faults::default()
        },
        ..SimulatorConfig::default()
    }
}

/// Days of a tenant as they should be reported: what was not delivered of what a search can find.
fn truth(simulator: &Simulator, arrived: &Arrived, tenant: TenantId, day: NaiveDate) -> (u64, u64) {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    let end = start + TimeDelta::days(1);
    let oracle = simulator.oracle();
    let lacking = oracle.lacking_in_search(tenant, start, end);
    let found: BTreeSet<_> = oracle.searchable_ids(tenant, start, end).difference(&lacking).cloned().collect();
    let arrived = arrived.lock().unwrap();
    let missing = found.iter().filter(|id| !arrived.contains_key(&(tenant, (*id).clone()))).count();
    (found.len() as u64, missing as u64)
}

/// Thirty days with an outage of nine: every hole is found and no other, and healed once.
#[tokio::test(start_paused = true)]
async fn thirty_days_with_an_outage_are_proved_complete() {
    let _listening = Listening::start();
    let config = troubled();
    let clock = office365_source::clock::Clock::starting_at(start_of_time());
    let simulator = simulator(config.clone(), &clock);
    let data = tempfile::tempdir().unwrap();
    let arrived = Arrived::default();
    let source = |heal: bool| {
        let mut source = source_config(&config);
        source.poll.interval_secs = 3_600;
        source.audit_search = Some(AuditSearchConfig { heal, budget_per_day: 20, ..AuditSearchConfig::default() });
        source
    };
    let start = async |heal: bool| {
        let mut setup = Setup::new(source(heal), &simulator, &clock, data.path());
        setup.mode = RunMode::Continuous;
        setup.arrived = arrived.clone();
        setup.keep_texts = false;
        setup.start().await
    };
    let running = start(false).await;
    hours(8 * 24).await;
    running.stop().await;
    hours(9 * 24).await;
    let running = start(false).await;
    hours(9 * 24).await;
    running.stop().await;

    let tenants: Vec<_> = config.tenants.iter().map(|tenant| tenant.id).collect();
    let range = (the_day() + TimeDelta::days(1), the_day() + TimeDelta::days(21));
    let reported = report_of(data.path(), &tenants, &ContentType::ALL, range, clock.now()).await;
    assert_eq!(reported.verdict, Verdict::Incomplete);
    assert_eq!(reported.days.len(), 3 * 21);
    let mut holes = 0;
    for day in &reported.days {
        let (found, missing) = truth(&simulator, &arrived, day.tenant, day.day);
        assert_eq!((day.found, day.missing), (found, missing), "{day:?}");
        let expected = if missing > 0 { DayState::Incomplete } else { DayState::Complete };
        assert_eq!(day.state, expected, "{day:?}");
        holes += missing;
    }
    assert!(holes > 200, "{holes}");

    let running = start(true).await;
    hours(8 * 24).await;
    running.stop().await;
    let range = (range.0, the_day() + TimeDelta::days(29));
    let reported = report_of(data.path(), &tenants, &ContentType::ALL, range, clock.now()).await;
    let others: Vec<_> = reported.days.iter().filter(|day| day.state != DayState::Complete).collect();
    assert_eq!(reported.verdict, Verdict::Complete, "{others:#?}");
    let healed: u64 = reported.days.iter().map(|day| day.healed).sum();
    assert!(healed > holes, "{healed} of the days before, and of those since");
    for day in &reported.days {
        assert_eq!(truth(&simulator, &arrived, day.tenant, day.day).1, 0, "{day:?}");
    }
    let arrived = arrived.lock().unwrap();
    assert!(arrived.values().all(|times| *times == 1), "each event once");
    for tenant in &tenants {
        let most = simulator.stats().graph.most_submissions_in_a_day(*tenant);
        assert!((1..=20).contains(&most), "{most}");
    }
    no_violations(&simulator);
}
