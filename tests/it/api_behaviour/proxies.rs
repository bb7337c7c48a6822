//! What a proxy does in between.

use super::BLOB;
use crate::support::{
    lab::{Lab, minutes},
    wire::Answer,
};

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_in_the_place_of_content_costs_nothing() {
    for status in [404, 410, 403, 302] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        lab.wire.rewrite(move |sent, answer| {
            Ok(if sent.asks(BLOB) { Answer::new(status, "<html>Lunch break</html>") } else { answer })
        });
        let running = lab.start().await;
        minutes(90).await;
        assert_eq!(lab.ids(), []);
        assert_eq!(running.progress.totals().blobs_dead, 0, "{status}");
        lab.wire.rewrite(|_, answer| Ok(answer));
        minutes(60).await;
        running.stop().await;
        lab.assert_arrived_once(&["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_a_proxy_objects_to_holds_up_no_other() {
    let lab = Lab::new();
    let id = lab.publish_at(&["bad"], lab.ago(120));
    lab.wire
        .rewrite(move |sent, answer| Ok(if sent.url.as_str().contains(&id) { Answer::new(403, "") } else { answer }));
    let running = lab.start().await;
    // A quiet feed: the oldest blob, which is always refused, must not be the only one that is tried.
    minutes(120).await;
    lab.publish_at(&["good"], lab.ago(5));
    minutes(60).await;
    assert_eq!(lab.ids(), [("good".to_owned(), 1)]);
    assert_eq!(running.progress.totals().blobs_dead, 0);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(60).await;
    running.stop().await;
    lab.assert_arrived_once(&["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_date_of_a_proxy_neither_buries_content_nor_moves_the_cursor() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.wire.rewrite(|sent, answer| {
        let date = |answer: Answer| answer.with("date", "Fri, 01 Jan 2100 00:00:00 GMT");
        Ok(if sent.asks(BLOB) { date(Answer::new(502, "<html>502</html>")) } else { answer })
    });
    let running = lab.start().await;
    minutes(60).await;
    assert_eq!(running.progress.totals().blobs_dead, 0);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(30).await;
    lab.publish(&["b"]);
    minutes(5).await;
    running.stop().await;
    lab.assert_arrived_once(&["a", "b"]);
}
