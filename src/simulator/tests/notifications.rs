use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use serde_json::json;
use tokio::time::sleep;

use super::{
    hook::{Hook, HookReply, Notifying, Received, ids},
    *,
};

const ADDRESS: &str = "https://hook.example.com/general";

/// A client whose General subscription has a webhook that has been validated.
struct Hooked {
    caller: Caller,
    hook: Arc<Hook>,
    notifying: Notifying,
}

impl Hooked {
    async fn new(config: SimulatorConfig) -> Self {
        let config =
            SimulatorConfig { start_interval: Duration::ZERO, token_lifetime: Duration::from_hours(1000), ..config };
        let caller = Caller::new(config).await;
        let hook = Hook::of(&caller.simulator);
        let hooked = Self { hook, notifying: Notifying::of(&caller.simulator), caller };
        hooked.set("Audit.General", ADDRESS).await;
        hooked
    }

    async fn set(&self, content_type: &str, address: &str) {
        let set = self.caller.start_with(content_type, address, None).await;
        assert_eq!(set.status, 200, "{set:?}");
        self.hook.take();
    }

    /// Places an empty blob that is created now, and waits long enough for it to be announced.
    async fn publish(&self, content_type: ContentType) -> String {
        let id = self.place(content_type, 0);
        sleep(Duration::from_secs(2)).await;
        id
    }

    fn place(&self, content_type: ContentType, age: i64) -> String {
        let created = self.caller.clock.now() - TimeDelta::seconds(age);
        self.caller.simulator.add_blob(self.caller.feed(content_type), BlobSpec::new("[]", created))
    }

    fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.caller.simulator.faults().update(change);
    }

    fn stats(&self) -> Stats {
        self.caller.simulator.stats()
    }

    async fn notifications(&self, query: &str) -> Reply {
        self.caller.get(&format!("subscriptions/notifications?contentType=Audit.General{query}")).await
    }
}

fn times(received: &[Received]) -> Vec<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test")]
    received.iter().map(|request| request.at as u64).collect()
}

#[tokio::test(start_paused = true)]
async fn new_content_is_announced_in_small_arrays() {
    let hooked = Hooked::new(bare()).await;
    let feed = hooked.caller.feed(ContentType::General);
    hooked.place(ContentType::General, 1);
    let placed: Vec<_> = (0..7).map(|_| hooked.place(ContentType::General, 0)).collect();
    sleep(Duration::from_secs(2)).await;

    let received = hooked.hook.take();
    assert_eq!(received.iter().map(|request| request.ids().len()).collect::<Vec<_>>(), [5, 2]);
    assert_eq!(ids(&received), placed, "what is older than the webhook is not announced");
    for request in &received {
        assert_eq!(request.header("content-type"), Some("application/json; utf-8"));
        assert_eq!(request.header("webhook-authid"), Some("me"));
        assert_eq!(request.header("webhook-validationcode"), None);
    }
    let uri = format!("http://127.0.0.1:0/api/v1.0/{}/activity/feed/audit/{}", feed.tenant, placed[0]);
    assert_eq!(
        received[0].body[0],
        json!({
            "tenantId": feed.tenant,
            "clientId": hooked.caller.tenant.client_id,
            "contentType": "Audit.General",
            "contentId": placed[0],
            "contentUri": uri,
            "contentCreated": "2026-08-01T12:00:00.250Z",
            "contentExpiration": "2026-08-08T12:00:00.250Z",
        })
    );
    assert_eq!(hooked.caller.follow(&uri).await.json(), json!([]));
    sleep(Duration::from_hours(24)).await;
    assert_eq!(hooked.hook.take(), []);
    let stats = hooked.stats();
    assert_eq!((stats.notifications_sent, stats.notifications_failed, stats.blobs_notified), (2, 0, 7));
}

#[tokio::test(start_paused = true)]
async fn content_is_announced_when_it_can_be_listed() {
    let config = SimulatorConfig { notification_interval: Duration::from_secs(10), ..bare() };
    let hooked = Hooked::new(config).await;
    let feed = hooked.caller.feed(ContentType::General);
    let now = hooked.caller.clock.now();
    let late = BlobSpec::new("[]", now).available_from(now + TimeDelta::hours(1));
    let late = hooked.caller.simulator.add_blob(feed, late);
    let too_late = BlobSpec::new("[]", now).available_from(now + TimeDelta::days(8));
    hooked.caller.simulator.add_blob(feed, too_late);
    hooked.caller.simulator.add_blob(feed, BlobSpec::new("[]", now).unlisted());
    let future = hooked.caller.simulator.add_blob(feed, BlobSpec::new("[]", now + TimeDelta::minutes(1)));

    sleep(Duration::from_secs(59)).await;
    assert_eq!(hooked.hook.take(), []);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(ids(&hooked.hook.take()), [future]);
    sleep(Duration::from_mins(57)).await;
    assert_eq!(hooked.hook.take(), []);
    sleep(Duration::from_mins(3)).await;
    assert_eq!(ids(&hooked.hook.take()), [late]);
    // Nothing that is no longer listed is announced.
    sleep(Duration::from_hours(9 * 24)).await;
    assert_eq!(hooked.hook.take(), []);
}

#[tokio::test(start_paused = true)]
async fn days_of_live_content_are_announced_once_each() {
    let live = Live { every: Duration::from_mins(2), events_per_blob: 1..=1 };
    let mut config = SimulatorConfig { live: Some(live), ..subscribed() };
    config.faults.late = Some(Late { share: 0.2, by: Duration::from_mins(1)..=Duration::from_hours(3) });
    let hooked = Hooked::new(config).await;
    let feed = hooked.caller.feed(ContentType::General);
    sleep(Duration::from_hours(48)).await;
    let announced = ids(&hooked.hook.take());
    let unique: BTreeSet<_> = announced.iter().cloned().collect();
    assert_eq!(unique.len(), announced.len());
    let oracle = hooked.caller.simulator.oracle();
    let listable = oracle.listable(feed, hooked.caller.clock.now()).into_iter();
    let since: BTreeSet<_> = listable.filter(|content| content.created >= origin()).map(|of| of.content_id).collect();
    assert!(unique.len() > 1300, "{}", unique.len());
    assert_eq!(unique, since);
}

#[tokio::test(start_paused = true)]
async fn a_failing_webhook_is_tried_again_at_growing_intervals() {
    let hooked = Hooked::new(bare()).await;
    hooked.set("Audit.Exchange", "https://hook.example.com/exchange").await;
    hooked.hook.reply("/general", HookReply::Status(202));
    let first = hooked.place(ContentType::General, 0);
    sleep(Duration::from_mins(4)).await;
    let second = hooked.place(ContentType::General, 0);
    let other = hooked.publish(ContentType::Exchange).await;
    sleep(Duration::from_mins(2)).await;

    let (general, exchange): (Vec<_>, Vec<_>) =
        hooked.hook.take().into_iter().partition(|request| request.path == "/general");
    // 10, 20, 40, 80 and 160 seconds apart, and always the same until it is accepted.
    let start = times(&general)[0];
    assert_eq!(times(&general), [0, 10, 30, 70, 150, 310].map(|offset| start + offset));
    assert!(general.iter().all(|request| request.ids() == [first.clone()]));
    assert_eq!(ids(&exchange), [other], "one webhook does not wait for another");

    hooked.hook.reply("/general", HookReply::Status(200));
    sleep(Duration::from_mins(5)).await;
    let general = hooked.hook.take();
    assert_eq!(ids(&general), [first, second]);
    assert_eq!(times(&general), [start + 630, start + 630]);
    let stats = hooked.stats();
    assert_eq!((stats.notifications_sent, stats.notifications_failed, stats.blobs_notified), (9, 6, 3));
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_no_connection_are_failures_and_waits_end_at_an_hour() {
    let notification_interval = Duration::from_secs(10);
    let hooked = Hooked::new(SimulatorConfig { webhook_disabled_after: 100, notification_interval, ..bare() }).await;
    hooked.hook.reply("/general", HookReply::Silence);
    hooked.publish(ContentType::General).await;
    sleep(Duration::from_secs(30)).await;
    // Five seconds of silence, ten of waiting.
    let silent = times(&hooked.hook.take());
    assert_eq!((silent.len(), silent[1] - silent[0]), (2, 15));
    hooked.hook.reply("/general", HookReply::Unreachable);
    sleep(Duration::from_hours(48)).await;
    let attempts = times(&hooked.hook.take());
    assert!(attempts.len() > 40, "{attempts:?}");
    let apart: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.is_sorted() && apart.ends_with(&[3600, 3600]), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_goes_on_failing_is_disabled_until_it_is_set_again() {
    let hooked = Hooked::new(SimulatorConfig { webhook_disabled_after: 3, ..bare() }).await;
    hooked.hook.reply("/general", HookReply::Status(500));
    for _ in 0..2 {
        hooked.publish(ContentType::General).await;
    }
    sleep(Duration::from_hours(24)).await;
    let attempts = hooked.hook.take();
    assert_eq!(attempts.len(), 3);
    assert_eq!(hooked.caller.webhook("Audit.General").await["status"], "disabled");
    assert_eq!(hooked.stats().webhooks_disabled, 1);
    assert_eq!(hooked.caller.list("").await.status, 200, "the subscription stays enabled");

    hooked.hook.reply("/general", HookReply::Status(200));
    hooked.publish(ContentType::General).await;
    sleep(Duration::from_hours(1)).await;
    assert_eq!(hooked.hook.take(), []);

    hooked.set("Audit.General", ADDRESS).await;
    assert_eq!(hooked.caller.webhook("Audit.General").await["status"], "enabled");
    let after = hooked.publish(ContentType::General).await;
    // What was queued before is dropped, and an accepted notification ends the row of failures.
    assert_eq!(ids(&hooked.hook.take()), [after]);
    hooked.hook.reply("/general", HookReply::Status(500));
    hooked.publish(ContentType::General).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(hooked.caller.webhook("Audit.General").await["status"], "enabled");
}

#[tokio::test(start_paused = true)]
async fn an_expired_removed_vanished_or_stopped_webhook_gets_nothing() {
    let hooked = Hooked::new(bare()).await;
    let caller = &hooked.caller;
    let feed = caller.feed(ContentType::General);
    let silent = async |why: &str| {
        hooked.hook.take();
        hooked.publish(ContentType::General).await;
        sleep(Duration::from_hours(1)).await;
        assert_eq!(hooked.hook.take(), [], "{why}");
    };
    let talks = async || {
        hooked.set("Audit.General", ADDRESS).await;
        let id = hooked.publish(ContentType::General).await;
        assert_eq!(ids(&hooked.hook.take()), [id]);
    };

    let soon = (caller.clock.now() + TimeDelta::minutes(1)).format("%Y-%m-%dT%H:%M:%S").to_string();
    caller.start_with("Audit.General", ADDRESS, Some(&soon)).await;
    hooked.hook.take();
    let id = hooked.publish(ContentType::General).await;
    assert_eq!(ids(&hooked.hook.take()), [id], "not expired yet");
    sleep(Duration::from_mins(1)).await;
    silent("expired").await;
    talks().await;
    assert_eq!(caller.start("Audit.General").await.status, 200);
    silent("removed by a start without a webhook").await;
    talks().await;
    caller.simulator.unhook(feed);
    silent("vanished").await;
    talks().await;
    caller.simulator.disable_webhook(feed);
    silent("disabled").await;
    talks().await;
    caller.call(Method::POST, "subscriptions/stop?contentType=Audit.General").await;
    silent("stopped").await;
    talks().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_removed_while_it_fails_is_left_alone() {
    let hooked = Hooked::new(SimulatorConfig { webhook_disabled_after: 1, ..bare() }).await;
    hooked.hook.reply("/general", HookReply::Silence);
    hooked.place(ContentType::General, 0);
    sleep(Duration::from_secs(2)).await;
    // The attempt under way fails, but its webhook is not the one that is there by then.
    hooked.set("Audit.General", "https://hook.example.com/other").await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(hooked.stats().notifications_failed, 1);
    assert_eq!(hooked.caller.webhook("Audit.General").await["status"], "enabled");
    let id = hooked.publish(ContentType::General).await;
    assert_eq!(ids(&hooked.hook.take()), [id]);
}

#[tokio::test(start_paused = true)]
async fn interrupted_notifications_go_on_where_they_were() {
    let mut hooked = Hooked::new(bare()).await;
    let before = hooked.publish(ContentType::General).await;
    assert_eq!(ids(&hooked.hook.take()), [before]);
    hooked.hook.reply("/general", HookReply::Silence);
    let during = hooked.publish(ContentType::General).await;
    hooked.hook.take();
    hooked.hook.reply("/general", HookReply::Status(200));
    drop(std::mem::replace(&mut hooked.notifying, Notifying::of(&hooked.caller.simulator)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ids(&hooked.hook.take()), [during]);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_listed_with_failures_and_repetitions() {
    let hooked = Hooked::new(SimulatorConfig { page_size: 3, ..bare() }).await;
    assert_eq!(hooked.notifications("").await.json(), json!([]));
    let twice = hooked.publish(ContentType::General).await;
    hooked.hook.reply("/general", HookReply::Status(503));
    let failing = hooked.publish(ContentType::General).await;
    sleep(Duration::from_secs(12)).await;
    hooked.hook.reply("/general", HookReply::Status(200));
    hooked.faults(|faults| faults.notify_duplicates = 1.0);
    sleep(Duration::from_mins(1)).await;

    let mut reply = hooked.notifications("").await;
    let mut listed = reply.array();
    assert_eq!(listed.len(), 3);
    let next = reply.next_page().unwrap().to_owned();
    assert!(next.contains("/subscriptions/notifications?contentType=Audit.General&starttime="), "{next}");
    reply = hooked.caller.follow(&next).await;
    listed.extend(reply.array());
    assert_eq!(reply.next_page(), None);
    // A link of one listing leads nowhere in the other.
    let other = next.replace("/notifications?", "/content?");
    assert_eq!(hooked.caller.follow(&other).await.refusal().1, "AF20031");

    let mut statuses: Vec<_> = listed
        .iter()
        .map(|entry| (text(&entry["notificationSent"]), text(&entry["contentId"]), text(&entry["notificationStatus"])))
        .collect();
    statuses.sort();
    let told: Vec<_> = statuses.iter().map(|(_, id, status)| (id.as_str(), status.as_str())).collect();
    let (twice, failing) = (twice.as_str(), failing.as_str());
    assert_eq!(
        told,
        [(twice, "success"), (failing, "failed"), (failing, "failed"), (failing, "success"), (failing, "success")]
    );
    let feed = hooked.caller.feed(ContentType::General);
    let entry = listed.iter().find(|entry| entry["contentId"] == twice).unwrap();
    assert_eq!(
        *entry,
        json!({
            "contentType": "Audit.General",
            "contentId": twice,
            "contentUri": format!("http://127.0.0.1:0/api/v1.0/{}/activity/feed/audit/{twice}", feed.tenant),
            "contentCreated": "2026-08-01T12:00:00.250Z",
            "contentExpiration": "2026-08-08T12:00:00.250Z",
            "notificationSent": "2026-08-01T12:00:00.250Z",
            "notificationStatus": "success",
        })
    );

    // The window is of the content's creation, not of the notification.
    for (from, until, found) in [("12:00:00", "12:00:02", 1), ("12:00:02", "12:00:03", 4), ("12:00:03", "13:00:00", 0)]
    {
        let window = format!("&startTime=2026-08-01T{from}&endTime=2026-08-01T{until}");
        let mut reply = hooked.notifications(&window).await;
        let mut count = reply.array().len();
        while let Some(next) = reply.next_page().map(str::to_owned) {
            reply = hooked.caller.follow(&next).await;
            count += reply.array().len();
        }
        assert_eq!(count, found, "{window}");
    }
    assert_eq!(hooked.notifications("&startTime=2026-08-01").await.refusal().1, "AF20030");
    hooked.caller.call(Method::POST, "subscriptions/stop?contentType=Audit.General").await;
    assert_eq!(hooked.notifications("").await.refusal().1, "AF20023");
}

#[tokio::test(start_paused = true)]
async fn notifications_are_repeated_overtaken_and_lost_on_demand() {
    let hooked = Hooked::new(SimulatorConfig { notification_batch: 1, ..bare() }).await;
    hooked.faults(|faults| faults.notify_duplicates = 1.0);
    let id = hooked.publish(ContentType::General).await;
    assert_eq!(ids(&hooked.hook.take()), [id.clone(), id], "once more, and no oftener");
    assert_eq!((hooked.stats().notifications_sent, hooked.stats().blobs_notified), (2, 1));

    hooked.faults(|faults| (faults.notify_duplicates, faults.notify_reordered) = (0.0, 1.0));
    let placed: Vec<_> = (0..4).map(|_| hooked.place(ContentType::General, 0)).collect();
    sleep(Duration::from_secs(2)).await;
    let swapped = [1, 0, 3, 2].map(|position: usize| placed[position].clone());
    assert_eq!(ids(&hooked.hook.take()), swapped);
    let alone = hooked.publish(ContentType::General).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(hooked.hook.take(), []);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(ids(&hooked.hook.take()), [alone], "nothing overtakes it");

    hooked.faults(|faults| (faults.notify_reordered, faults.notify_drop) = (0.0, 0.5));
    let placed: Vec<_> = (0..40).map(|_| hooked.place(ContentType::General, 0)).collect();
    sleep(Duration::from_mins(1)).await;
    let announced = ids(&hooked.hook.take());
    assert!((10..30).contains(&announced.len()), "{}", announced.len());
    assert!(announced.iter().all(|id| placed.contains(id)));
    let listed = hooked.caller.list("&startTime=2026-08-01T12:01&endTime=2026-08-02T12:00").await.array();
    assert_eq!(listed.len(), 40, "listed are all");
}

#[tokio::test(start_paused = true)]
async fn announced_entries_are_flawed_as_listed_ones_are() {
    let hooked = Hooked::new(bare()).await;
    hooked.faults(|faults| (faults.foreign_uri, faults.wrong_content_type) = (1.0, 1.0));
    hooked.publish(ContentType::General).await;
    let item = hooked.hook.take()[0].body[0].take();
    assert!(text(&item["contentUri"]).starts_with("https://manage.office.com.example.net/"));
    assert_eq!(item["contentType"], "Audit.Exchange");
    hooked.faults(|faults| *faults = Faults { missing_content_uri: 1.0, ..Faults::default() });
    hooked.publish(ContentType::General).await;
    assert_eq!(hooked.hook.take()[0].body[0].get("contentUri"), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_sends_the_same_notifications() {
    let run = async || {
        let live = Live { every: Duration::from_secs(30), events_per_blob: 1..=1 };
        let mut config = SimulatorConfig { live: Some(live), ..subscribed() };
        config.faults = Faults {
            notify_duplicates: 0.2,
            notify_reordered: 0.2,
            notify_drop: 0.2,
            foreign_uri: 0.1,
            ..Faults::default()
        };
        let hooked = Hooked::new(config).await;
        for (content_type, address) in
            [("Audit.Exchange", "https://a.example.com/"), ("DLP.All", "https://b.example.com/")]
        {
            hooked.set(content_type, address).await;
        }
        sleep(Duration::from_hours(1)).await;
        hooked.hook.take()
    };
    let first = run().await;
    assert!(first.len() > 200, "{}", first.len());
    assert_eq!(first, run().await);
}
