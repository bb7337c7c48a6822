//! From one source to every sink that takes its events.

use tokio::sync::mpsc;

use super::delivery::Delivery;
use crate::component::SourceReceiver;

/// How many batches wait for a sink. With a source's default of 1 MiB a batch this bounds what a sink holds, and it is
/// what one group commit of a file sink can share.
pub(super) const INBOX: usize = 8;

/// Hands every batch of a source to all its sinks, at the pace of the slowest, until the source is gone.
pub(super) async fn pump(mut output: SourceReceiver, inboxes: Vec<mpsc::Sender<Delivery>>) {
    while let Some(item) = output.recv().await {
        hand_out(Delivery::new(item.events), &inboxes).await;
    }
}

async fn hand_out(delivery: Delivery, inboxes: &[mpsc::Sender<Delivery>]) {
    let Some((last, others)) = inboxes.split_last() else { return };
    // An inbox is closed when its sink has failed, which stops the host; the copy comes back, is dropped, and so errored.
    for inbox in others {
        let _ = inbox.send(delivery.copy()).await;
    }
    let _ = last.send(delivery).await;
}
