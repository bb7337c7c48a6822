use chrono::TimeDelta;
use uuid::Uuid;

use super::*;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap() + TimeDelta::hours(hours)
}

fn scope(start: i64, end: i64) -> SearchScope {
    SearchScope { start: at(start), end: at(end), record_types: Vec::new() }
}

fn begin(scopes: Vec<SearchScope>) -> DayRecord {
    let of = AuditDay { tenant: TenantId(Uuid::from_u128(1)), day: at(0).date_naive() };
    DayRecord::begin(DayRequest { of, heals: false, scopes, hidden: Vec::new(), at: at(0) })
}

fn run(record: &mut DayRecord, number: u32, query: &str) {
    record.step(number, SearchStep::Creating { name: query.into(), at: at(1) });
    record.step(number, SearchStep::Created { query: query.into(), at: at(2) });
}

fn fail(record: &mut DayRecord, number: u32, problem: Option<&str>) {
    record.step(number, SearchStep::Replanned { not_before: at(3), problem: problem.map(str::to_owned) });
}

fn finished(query: &str) -> FinishedSearch {
    FinishedSearch { query: query.to_owned(), ..FinishedSearch::default() }
}

#[test]
fn a_search_goes_its_way() {
    let mut record = begin(vec![scope(0, 1)]);
    run(&mut record, 0, "a");
    assert_eq!(record.searches[0].state, SearchState::Running { query: "a".into(), since: at(2) });
    assert!(record.read(0));
    assert!(!record.read(0), "it is being read");
    assert!(!record.read(1), "there is none");
    record.finish(&finished("b"), at(4));
    assert!(record.is_open());
    record.finish(&finished("a"), at(4));
    assert_eq!((record.settled, record.searches.len()), (Some(at(4)), 0));
}

#[test]
fn what_is_split_has_other_numbers_and_no_part_is_lost() {
    let mut record = begin(vec![scope(0, 2), scope(2, 4)]);
    for nothing in [vec![], vec![scope(1, 1)]] {
        record.step(0, SearchStep::Split { into: nothing, problem: None });
    }
    assert_eq!(record.searches.len(), 2);
    record.step(0, SearchStep::Split { into: vec![scope(0, 1), scope(1, 1), scope(1, 2)], problem: None });
    let searches: Vec<_> = record.searches.iter().map(|search| (search.number, &search.scope)).collect();
    assert_eq!(searches, [(1, &scope(2, 4)), (2, &scope(0, 1)), (3, &scope(1, 2))]);
}

#[test]
fn a_problem_that_is_overcome_is_forgotten() {
    let mut record = begin(vec![scope(0, 1), scope(1, 2)]);
    fail(&mut record, 0, Some("503"));
    fail(&mut record, 1, None);
    assert_eq!(record.problem.as_deref(), Some("503"));
    assert_eq!(record.searches.iter().map(|search| search.failures).collect::<Vec<_>>(), [1, 0]);
    for (number, problem) in [(1, Some("503")), (0, None)] {
        run(&mut record, number, "a");
        record.read(number);
        record.finish(&finished("a"), at(5));
        assert_eq!(record.problem.as_deref(), problem);
    }
    assert!(!record.is_open());
}

#[test]
fn a_day_with_a_search_that_was_given_up_says_so_for_good() {
    let mut record = begin(vec![scope(0, 1), scope(1, 2)]);
    record.step(0, SearchStep::GivenUp { problem: "too many".into(), at: at(1) });
    assert!(record.is_open() && record.given_up);
    fail(&mut record, 1, Some("503"));
    assert_eq!(record.problem.as_deref(), Some("too many"));
    run(&mut record, 1, "a");
    record.read(1);
    record.finish(&finished("a"), at(5));
    assert_eq!((record.settled, record.problem.as_deref()), (Some(at(5)), Some("too many")));
}

#[test]
fn a_search_that_has_shown_more_than_it_could_be_compared_with_keeps_its_day_from_being_told() {
    let mut record = begin(vec![scope(0, 1), scope(1, 2)]);
    for (number, query, problem) in [(0, "a", Some("no Id")), (1, "b", None)] {
        run(&mut record, number, query);
        record.read(number);
        record.finish(&FinishedSearch { problem: problem.map(str::to_owned), ..finished(query) }, at(5));
    }
    assert!(!record.is_open() && record.given_up);
    assert_eq!(record.problem.as_deref(), Some("no Id"));
}

#[test]
fn a_search_that_finds_nothing_of_what_was_delivered_proves_nothing() {
    let day = |records: u64, live: u64, of: ContentType| {
        let mut record = begin(vec![scope(0, 1)]);
        run(&mut record, 0, "a");
        record.read(0);
        let found = [(ContentType::Exchange, Found { records, missing: 0 })].into();
        record.finish(&FinishedSearch { found, ..finished("a") }, at(5));
        record.hidden = vec![ContentType::Dlp];
        record.delivered.insert(of, DeliveredCounts { live, healed: 0 });
        DayCoverage { of: record.of, delivered: record.delivered.clone(), record: Some(record) }
    };
    assert!(!day(0, 1, ContentType::Exchange).is_proved());
    assert!(day(0, 0, ContentType::Exchange).is_proved(), "nothing was delivered");
    assert!(day(1, 2, ContentType::Exchange).is_proved());
    assert!(day(0, 1, ContentType::Dlp).is_proved(), "of that the search may show nothing");
}

#[test]
fn nothing_to_look_for_is_settled_at_once() {
    for scopes in [vec![], vec![scope(1, 1), scope(2, 1)]] {
        assert_eq!(begin(scopes).settled, Some(at(0)));
    }
}
