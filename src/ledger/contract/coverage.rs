//! The contract of the comparison with the audit search.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::*;

pub fn day(tenant: u128, days: i64) -> AuditDay {
    let of = time(0).date_naive() + TimeDelta::days(days);
    AuditDay { tenant: TenantId(Uuid::from_u128(tenant)), day: of }
}

pub fn scope(of: AuditDay, hours: std::ops::Range<i64>) -> SearchScope {
    let start = of.day.and_time(chrono::NaiveTime::MIN).and_utc();
    let at = |hours: i64| start + TimeDelta::hours(hours);
    SearchScope { start: at(hours.start), end: at(hours.end), record_types: Vec::new() }
}

pub fn request(of: AuditDay, searches: i64, heals: bool) -> DayRequest {
    let scopes = (0..searches).map(|number| scope(of, number..number + 1)).collect();
    DayRequest { of, heals, scopes, hidden: vec![ContentType::Dlp], at: time(0) }
}

/// What a query has found.
pub fn records_of(tenant: TenantId, query: &str) -> ContentRef {
    let feed = Feed { tenant, content_type: ContentType::AuditLogQuery };
    ContentRef { content_uri: format!("https://graph.microsoft.com/{query}/records"), ..content(feed, query, time(0)) }
}

pub fn counts(feed: Feed, day: NaiveDate, live: u64, healed: u64) -> Vec<EventCount> {
    [(live, false), (healed, true)].map(|(events, healed)| EventCount { feed, day, events, healed }).to_vec()
}

/// Brings a search so far that its records are pending.
pub async fn read(ledger: &impl CoverageStore, of: AuditDay, number: u32, query: &str) {
    ledger.step_search(of, number, SearchStep::Creating { name: query.into(), at: time(1) }).await.unwrap();
    ledger.step_search(of, number, SearchStep::Created { query: query.into(), at: time(2) }).await.unwrap();
    ledger.read_search(of, number, records_of(of.tenant, query), time(3)).await.unwrap();
}

pub async fn coverage_of_all(ledger: &impl CoverageStore) -> Vec<DayCoverage> {
    ledger.coverage(None, NaiveDate::MIN, NaiveDate::MAX).await.unwrap()
}

async fn record(ledger: &impl CoverageStore, of: AuditDay) -> DayRecord {
    let mut known = ledger.coverage(Some(of.tenant), of.day, of.day).await.unwrap();
    known.remove(0).record.unwrap()
}

fn finished(query: &str, found: impl Into<FoundByType>) -> FinishedSearch {
    FinishedSearch { query: query.to_owned(), found: found.into(), problem: None }
}

fn found(content_type: ContentType, records: u64, missing: u64) -> FoundByType {
    [(content_type, Found { records, missing })].into()
}

pub async fn a_day_is_settled_when_all_its_searches_are_done(storage: &impl Storage) {
    let ledger = storage.open().await;
    let of = day(1, 0);
    assert!(ledger.request_day(request(of, 2, true)).await.unwrap());
    read(&ledger, of, 0, "a").await;
    read(&ledger, of, 1, "b").await;
    let key = |query: &str| BlobKey::from(&records_of(of.tenant, query));
    let searches = key("a").feed;
    drop(ledger);
    tokio::task::yield_now().await;
    let ledger = storage.open().await;
    assert_eq!(ledger.open_days(None).await.unwrap(), [record(&ledger, of).await]);
    assert_eq!(ids(&claim_all(&ledger, searches, 9, Wanted::Listed).await), ["a", "b"]);

    let exchange = feed(1, ContentType::Exchange);
    let event = EventKey::new(of.tenant, "e");
    let delivery = DeliveredBatch { events: vec![event], counts: counts(exchange, of.day, 0, 1) };
    let some = found(ContentType::Exchange, 5, 1);
    ledger.complete_search(key("a"), finished("a", some.clone()), delivery, time(9)).await.unwrap();
    assert!(!ledger.is_pending(key("a")).await.unwrap());
    assert!(ledger.is_pending(key("b")).await.unwrap(), "held or not");
    assert_eq!(ledger.delivered(vec![event]).await.unwrap(), [true]);
    let open = record(&ledger, of).await;
    assert_eq!((open.is_open(), open.searches.len(), &open.found), (true, 1, &some));

    ledger.complete_search(key("b"), finished("b", some), vec![].into(), time(10)).await.unwrap();
    assert!(ledger.open_days(None).await.unwrap().is_empty());
    let known = coverage_of_all(&ledger).await.remove(0);
    assert_eq!(known.delivered, [(ContentType::Exchange, DeliveredCounts { live: 0, healed: 1 })].into());
    let settled = known.record.unwrap();
    assert_eq!((settled.settled, settled.heals, settled.hidden), (Some(time(10)), true, vec![ContentType::Dlp]));
    assert_eq!(settled.found, found(ContentType::Exchange, 10, 2));
    // What is done is let go of, and nothing is pending any more.
    assert!(claim_all(&ledger, searches, 9, Wanted::Any).await.is_empty());
    assert!(ledger.summary().await.unwrap().is_empty());
}

pub async fn a_comparison_goes_on_until_it_is_settled_and_is_replaced_after_that(storage: &impl Storage) {
    let ledger = storage.open().await;
    let of = day(1, 0);
    assert!(ledger.request_day(request(of, 1, false)).await.unwrap());
    assert!(!ledger.request_day(request(of, 3, false)).await.unwrap());
    assert!(!record(&ledger, of).await.heals);
    assert!(!ledger.request_day(request(of, 3, true)).await.unwrap());
    assert!(!ledger.request_day(request(of, 3, false)).await.unwrap());
    let open = record(&ledger, of).await;
    assert_eq!((open.heals, open.searches.len()), (true, 1));

    let exchange = feed(1, ContentType::Exchange);
    let delivery = DeliveredBatch { events: vec![], counts: counts(exchange, of.day, 3, 0) };
    ledger.deliver(TENANT, delivery, time(1)).await.unwrap();
    let step = SearchStep::GivenUp { problem: "why".into(), at: time(5) };
    ledger.step_search(of, 0, step.clone()).await.unwrap();
    let settled = record(&ledger, of).await;
    assert_eq!((settled.settled, settled.problem.as_deref()), (Some(time(5)), Some("why")));
    // It is over, whatever comes late.
    ledger.step_search(of, 0, step).await.unwrap();
    read(&ledger, of, 0, "late").await;
    assert_eq!(record(&ledger, of).await, settled);
    assert!(!ledger.is_pending(BlobKey::from(&records_of(of.tenant, "late"))).await.unwrap());

    assert!(ledger.request_day(request(of, 2, false)).await.unwrap());
    let again = coverage_of_all(&ledger).await.remove(0);
    assert_eq!(again.record.unwrap(), DayRecord::begin(request(of, 2, false)));
    assert_eq!(again.delivered[&ContentType::Exchange].live, 3, "counts stay");
    assert!(ledger.request_day(request(day(1, 1), 0, false)).await.unwrap());
    assert_eq!(ledger.open_days(None).await.unwrap().len(), 1, "nothing to look for is settled at once");
}

pub async fn what_a_search_has_found_is_pending_once(storage: &impl Storage) {
    let ledger = storage.open().await;
    let of = day(1, 0);
    let wanted = records_of(of.tenant, "a");
    let key = BlobKey::from(&wanted);
    ledger.request_day(request(of, 1, false)).await.unwrap();
    ledger.read_search(of, 0, wanted.clone(), time(3)).await.unwrap();
    assert!(!ledger.is_pending(key.clone()).await.unwrap(), "it does not run yet");
    // An empty queue was searched before.
    assert!(ledger.claim(key.feed, Wanted::Any).await.unwrap().is_none());
    read(&ledger, of, 0, "a").await;
    let claim = ledger.claim(key.feed, Wanted::Any).await.unwrap().unwrap();
    assert_eq!(claim.content, wanted);
    ledger.defer(key.clone(), time(20), Counts::Attempt).await.unwrap();
    // After a crash before the answer, the same again.
    read(&ledger, of, 0, "a").await;
    assert!(ledger.claim(key.feed, Wanted::Any).await.unwrap().is_none(), "it stays as it is");
    ledger.promote(time(20)).await.unwrap();
    assert_eq!(ledger.claim(key.feed, Wanted::Any).await.unwrap().unwrap().attempts, 1);
    // It was given up, and a caller begins anew with the same query.
    ledger.dead_letter(key.clone(), "gone".into(), time(21)).await.unwrap();
    assert!(!ledger.is_pending(key.clone()).await.unwrap());
    let step = SearchStep::Replanned { not_before: time(22), problem: Some("gone".into()) };
    ledger.step_search(of, 0, step).await.unwrap();
    read(&ledger, of, 0, "a").await;
    assert_eq!(ledger.claim(key.feed, Wanted::Any).await.unwrap().unwrap().attempts, 0);
    ledger.complete_search(key.clone(), finished("a", FoundByType::new()), vec![].into(), time(30)).await.unwrap();
    let settled = record(&ledger, of).await;
    assert_eq!(
        (settled.settled, settled.problem),
        (Some(time(30)), None),
        "what failed before is no problem of the day"
    );
    assert_eq!(ledger.prune(time(30) + TimeDelta::days(60)).await.unwrap().forgotten, 1, "it is there once");
}

pub async fn records_that_no_search_reads_any_more_change_no_day(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (one, other) = (day(1, 0), day(2, 0));
    for of in [one, other] {
        ledger.request_day(request(of, 1, false)).await.unwrap();
        read(&ledger, of, 0, "a").await;
    }
    let step = SearchStep::Replanned { not_before: time(5), problem: None };
    ledger.step_search(one, 0, step).await.unwrap();
    let before = coverage_of_all(&ledger).await;
    let key = BlobKey::from(&records_of(one.tenant, "a"));
    ledger.claim(key.feed, Wanted::Any).await.unwrap().unwrap();
    let some = found(ContentType::Exchange, 1, 1);
    ledger.complete_search(key.clone(), finished("a", some), vec![].into(), time(9)).await.unwrap();
    assert!(!ledger.is_pending(key).await.unwrap());
    assert_eq!(coverage_of_all(&ledger).await, before, "the query of another tenant is another one");
}

pub async fn delivered_events_are_counted_by_the_day_of_the_events(storage: &impl Storage) {
    let mut ledger = storage.open().await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(1, ContentType::Dlp));
    let (first, second) = (day(1, 0), day(1, 1));
    // More than one transaction notes.
    let events = (0..20_001).map(|number| EventKey::new(a.tenant, &number.to_string())).collect();
    let batch = |counts: [Vec<EventCount>; 3]| DeliveredBatch { events: vec![], counts: counts.concat() };
    let many = counts(a, first.day, 20_001, 0);
    ledger.deliver(TENANT, DeliveredBatch { events, counts: many }, time(0)).await.unwrap();
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    let more = batch([counts(a, first.day, 1, 2), counts(a, first.day, 10, 0), counts(b, second.day, 5, 0)]);
    ledger.complete(BlobKey { feed: a, content_id: "x".into() }, more, time(1)).await.unwrap();
    drop(ledger);
    tokio::task::yield_now().await;
    ledger = storage.open().await;
    // Records can have any time. No audit log has such days.
    let odd = [NaiveDate::MIN, NaiveDate::MAX, NaiveDate::default()].map(|day| counts(a, day, 1, 1));
    ledger.deliver(TENANT, batch(odd), time(2)).await.unwrap();
    let delivered = |content_type, live, healed| BTreeMap::from([(content_type, DeliveredCounts { live, healed })]);
    let expected = [
        DayCoverage { of: first, record: None, delivered: delivered(ContentType::Exchange, 20_012, 2) },
        DayCoverage { of: second, record: None, delivered: delivered(ContentType::Dlp, 5, 0) },
    ];
    assert_eq!(coverage_of_all(&ledger).await, expected);
}

pub async fn days_are_told_in_the_order_of_tenants_and_days(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (least, most) = (1, u128::MAX);
    for tenant in [most, 3, least, 2] {
        for days in [3, 1, 2] {
            ledger.request_day(request(day(tenant, days), 1, false)).await.unwrap();
            let exchange = feed(tenant, ContentType::Exchange);
            let counts =
                [counts(exchange, day(tenant, days + 1).day, 1, 0), counts(exchange, day(tenant, 9).day, 1, 0)];
            ledger.deliver(TENANT, DeliveredBatch { events: vec![], counts: counts.concat() }, time(0)).await.unwrap();
        }
    }
    let told = async |tenant: Option<u128>, days: std::ops::RangeInclusive<i64>| {
        let tenant = tenant.map(|tenant| TenantId(Uuid::from_u128(tenant)));
        let (from, through) = (day(0, *days.start()).day, day(0, *days.end()).day);
        let known = ledger.coverage(tenant, from, through).await.unwrap();
        known.into_iter().map(|known| known.of).collect::<Vec<_>>()
    };
    let all = [least, 2, 3, most];
    let days = |tenants: &[u128], days: &[i64]| {
        tenants.iter().flat_map(|tenant| days.iter().map(|days| day(*tenant, *days))).collect::<Vec<_>>()
    };
    assert_eq!(told(None, 0..=20).await, days(&all, &[1, 2, 3, 4, 9]));
    assert_eq!(told(None, 3..=5).await, days(&all, &[3, 4]));
    assert_eq!(told(Some(most), 2..=3).await, days(&[most], &[2, 3]));
    assert_eq!(told(Some(1), 9..=9).await, days(&[1], &[9]));
    assert!(told(Some(9), 0..=20).await.is_empty());
    assert!(ledger.coverage(None, day(0, 5).day, day(0, 4).day).await.unwrap().is_empty());
    let open = async |tenant| {
        let open = ledger.open_days(tenant).await.unwrap();
        open.into_iter().map(|record| record.of).collect::<Vec<_>>()
    };
    assert_eq!(open(None).await, days(&all, &[1, 2, 3]));
    assert_eq!(open(Some(day(2, 0).tenant)).await, days(&[2], &[1, 2, 3]));
}

pub async fn a_budget_of_queries_outlives_a_restart(storage: &impl Storage) {
    let hours = |hours: i64| time(hours * 3_600);
    let tenants = [1, 2].map(|tenant| day(tenant, 0).tenant);
    {
        let ledger = storage.open().await;
        assert_eq!(ledger.spend_query(tenants[0], hours(0), 2).await.unwrap(), Ok(()));
        assert_eq!(ledger.spend_query(tenants[0], hours(1), 2).await.unwrap(), Ok(()));
    }
    tokio::task::yield_now().await;
    let ledger = storage.open().await;
    assert_eq!(ledger.spend_query(tenants[0], hours(2), 2).await.unwrap(), Err(hours(24)));
    assert_eq!(ledger.spend_query(tenants[1], hours(2), 2).await.unwrap(), Ok(()));
    assert_eq!(ledger.spend_query(tenants[0], hours(24), 2).await.unwrap(), Ok(()));
    // The clock was ahead by a year: that is over a day after it is right again.
    assert_eq!(ledger.spend_query(tenants[1], hours(24 * 365), 2).await.unwrap(), Ok(()));
    for at in [3, 9] {
        assert_eq!(ledger.spend_query(tenants[1], hours(at), 1).await.unwrap(), Err(hours(27)));
    }
    assert_eq!(ledger.spend_query(tenants[1], hours(27), 1).await.unwrap(), Ok(()));
}

pub async fn it_is_noted_which_ids_are_forgotten(storage: &impl Storage) {
    let ledger = storage.open().await;
    let tenant = day(1, 0).tenant;
    let in_days = |days: i64| time(0) + TimeDelta::days(days);
    for days in [0, 1, 3] {
        ledger.deliver(TENANT, vec![EventKey::new(tenant, &days.to_string())].into(), in_days(days)).await.unwrap();
    }
    ledger.prune(in_days(7)).await.unwrap();
    assert_eq!(ledger.ids_forgotten_before().await.unwrap(), None);
    for (days, forgotten) in [(8, 1), (9, 2), (10, 2), (60, 4)] {
        ledger.prune(in_days(days)).await.unwrap();
        assert_eq!(ledger.ids_forgotten_before().await.unwrap(), Some(day(1, forgotten).day), "{days}");
    }
    drop(ledger);
    tokio::task::yield_now().await;
    let ledger = storage.open().await;
    assert_eq!(ledger.ids_forgotten_before().await.unwrap(), Some(day(1, 4).day));
}

pub async fn days_are_forgotten_after_400_days_unless_they_are_open(storage: &impl Storage) {
    let ledger = storage.open().await;
    for tenant in [1, 2] {
        for (days, searches) in [(0, 0), (1, 1), (2, 0)] {
            let of = day(tenant, days);
            ledger.request_day(request(of, searches, false)).await.unwrap();
            let counts = counts(feed(tenant, ContentType::General), of.day, 1, 1);
            ledger.deliver(TENANT, DeliveredBatch { events: vec![], counts }, time(0)).await.unwrap();
        }
    }
    let before = coverage_of_all(&ledger).await;
    ledger.prune(time(0) + TimeDelta::days(400)).await.unwrap();
    assert_eq!(coverage_of_all(&ledger).await, before);
    ledger.prune(time(0) + TimeDelta::days(402)).await.unwrap();
    let after = coverage_of_all(&ledger).await;
    let known = after.iter().map(|known| (known.of, known.record.is_some(), known.delivered.len()));
    let of_tenant = |tenant| [(day(tenant, 1), true, 0), (day(tenant, 2), true, 1)];
    assert_eq!(known.collect::<Vec<_>>(), [of_tenant(1), of_tenant(2)].concat());
}

pub async fn a_tenant_that_is_forgotten_takes_its_days_along(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (gone, stays) = (day(1, 0), day(2, 0));
    for of in [gone, stays] {
        ledger.request_day(request(of, 2, false)).await.unwrap();
        read(&ledger, of, 0, "a").await;
        let feed = Feed { tenant: of.tenant, content_type: ContentType::Exchange };
        let counts = counts(feed, of.day, 1, 0);
        ledger.deliver(TENANT, DeliveredBatch { events: vec![], counts }, time(0)).await.unwrap();
        ledger.spend_query(of.tenant, time(0), 1).await.unwrap().unwrap();
    }
    assert_eq!(ledger.forget_tenant(gone.tenant).await.unwrap(), 1, "records of searches are content, too");
    assert_eq!(coverage_of_all(&ledger).await.iter().map(|known| known.of).collect::<Vec<_>>(), [stays]);
    assert_eq!(ledger.open_days(None).await.unwrap().len(), 1);
    assert_eq!(ledger.spend_query(gone.tenant, time(0), 1).await.unwrap(), Ok(()));
    assert!(ledger.spend_query(stays.tenant, time(0), 1).await.unwrap().is_err());
    // What is in flight comes back to nothing.
    read(&ledger, gone, 1, "b").await;
    let key = BlobKey::from(&records_of(gone.tenant, "a"));
    ledger.complete_search(key, finished("a", FoundByType::new()), vec![].into(), time(9)).await.unwrap();
    assert_eq!(ledger.open_days(None).await.unwrap().len(), 1);
    assert_eq!(ledger.summary().await.unwrap().len(), 1);
}

pub async fn an_export_holds_what_was_compared<S: Storage>(storage: &S) {
    let ledger = storage.open().await;
    let of = day(1, 0);
    ledger.request_day(request(of, 4, true)).await.unwrap();
    for (number, query) in [(1, "a"), (2, "b")] {
        read(&ledger, of, number, query).await;
    }
    ledger.step_search(of, 3, SearchStep::Creating { name: "c".into(), at: time(5) }).await.unwrap();
    let (a, b) = (BlobKey::from(&records_of(of.tenant, "a")), BlobKey::from(&records_of(of.tenant, "b")));
    // A type that no record is of is kept all the same.
    let some =
        [(ContentType::Exchange, Found { records: 5, missing: 1 }), (ContentType::AuditLogQuery, Found::default())];
    ledger.complete_search(a, finished("a", some), vec![].into(), time(9)).await.unwrap();
    for days in 1..1_050 {
        ledger.request_day(request(day(2, days), days % 2, false)).await.unwrap();
        let counts = counts(feed(2, ContentType::Exchange), day(2, days).day, 1, 0);
        ledger.deliver(TENANT, DeliveredBatch { events: vec![], counts }, time(0)).await.unwrap();
    }
    for tenant in [1, 2, 3] {
        ledger.spend_query(day(tenant, 0).tenant, time(7), 2).await.unwrap().unwrap();
    }
    let ids = |days: i64| vec![EventKey::new(of.tenant, &days.to_string())];
    for days in [0, 9] {
        ledger.deliver(TENANT, ids(days).into(), time(0) + TimeDelta::days(days)).await.unwrap();
    }
    ledger.prune(time(0) + TimeDelta::days(8)).await.unwrap();

    let pieces = exported(&ledger).await;
    assert!(pieces.iter().all(|piece| piece.problem().is_none()));
    let elsewhere = S::default();
    let other = elsewhere.open().await;
    // Lines of a file.
    let lines: Vec<_> = pieces.iter().map(|piece| serde_json::to_string(piece).unwrap()).collect();
    for lines in lines.chunks(200) {
        other.import(lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()).await.unwrap();
    }
    assert_eq!(exported(&other).await, pieces);
    assert_eq!(coverage_of_all(&other).await, coverage_of_all(&ledger).await);
    assert_eq!(other.open_days(None).await.unwrap(), ledger.open_days(None).await.unwrap());
    assert_eq!(other.ids_forgotten_before().await.unwrap(), Some(day(1, 1).day));
    assert_eq!(other.spend_query(day(3, 0).tenant, time(8), 1).await.unwrap(), Err(time(7) + TimeDelta::hours(24)));
    // The search goes on where it was.
    assert_eq!(other.claim(b.feed, Wanted::Any).await.unwrap().unwrap().content, records_of(of.tenant, "b"));
    other.complete_search(b, finished("b", FoundByType::new()), vec![].into(), time(10)).await.unwrap();
    assert_eq!(record(&other, of).await.searches.len(), 2);
    // An import goes before what is known: the open day is that of the export again.
    other.import(pieces.clone()).await.unwrap();
    assert_eq!(exported(&other).await, pieces);
}
