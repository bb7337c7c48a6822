//! Throttling, and quotas that are kept to.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use office365_source::simulator::SimulatorConfig;

use super::{BLOB, CONTENT};
use crate::support::{
    lab::{Lab, empty, minutes},
    wire::Answer,
};

#[tokio::test(start_paused = true)]
async fn throttling_as_403_with_single_quotes_pauses_the_tenant_as_long_as_asked() {
    let quoted = "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=0'}}";
    // The date is counted from Microsoft's clock, which stands still during the request.
    for (form, operation) in [("300", BLOB), ("date", BLOB), ("300", CONTENT), ("date", CONTENT)] {
        let lab = Lab::new();
        let running = lab.start().await;
        minutes(3).await;
        lab.publish(&["a"]);
        let clock = lab.clock.clone();
        let mut refused = false;
        lab.wire.rewrite(move |sent, answer| {
            if refused || !sent.asks(operation) {
                return Ok(answer);
            }
            refused = true;
            let date = httpdate(clock.now() + TimeDelta::seconds(300));
            Ok(Answer::new(403, quoted).with("retry-after", if form == "date" { &date } else { form }))
        });
        minutes(15).await;
        let problem = running.problem(lab.feed);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
        let sent = lab.wire.sent_to("/activity/");
        let longest = sent.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!((299..330).contains(&longest.as_secs()), "{form} to {operation}: {longest:?}");
        assert!(lab.counters.sum("office365_throttled_total", "") == 1, "{form} to {operation}");
        assert_eq!(problem, None, "not a missing permission");
    }
}

fn httpdate(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_quota_smaller_than_configured_is_kept_to() {
    let mut config = SimulatorConfig { requests_per_minute: 60, ..empty() };
    config.backlog.blobs_per_feed = 400;
    config.backlog.reaches_back = Duration::from_hours(5);
    let lab = Lab::of(config);
    let running = lab.start().await;
    minutes(60).await;
    running.stop().await;
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    lab.assert_arrived_once(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    let stats = lab.simulator.stats();
    assert!(stats.throttled > 0 && stats.throttled < 120, "{stats:?}");
}
