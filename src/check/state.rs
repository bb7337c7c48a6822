//! The state that several collectors share.

use std::time::Duration;

use tokio::time::timeout;

use super::Outcome;
use crate::{
    config::{StateConfig, StateKind},
    ledger::{NatsLedger, NatsProbe},
    secrets::SecretReader,
    shared_state::nats_options,
};

/// Whether the servers of the state can hold it. `None` where it is on this machine. `path` is where the block is, such as
/// `sources.m365.state`.
pub(super) async fn shared_state(config: &StateConfig, path: &str, patience: Duration) -> Option<Outcome> {
    if config.kind == StateKind::Embedded {
        return None;
    }
    let probing = async {
        let options = nats_options(config, &SecretReader::default(), path).await?;
        Ok::<_, crate::Error>(NatsLedger::probe(&options).await?)
    };
    Some(match timeout(patience, probing).await {
        Ok(Ok(NatsProbe { version, bucket, members: Some(members) })) => Outcome::ok(format!(
            "NATS {version} with JetStream holds the bucket {bucket}; collectors that share it now: {members}"
        )),
        Ok(Ok(NatsProbe { version, bucket, members: None })) => Outcome::ok(format!(
            "NATS {version} with JetStream answers; the first collector that starts makes the bucket {bucket} in it"
        )),
        Ok(Err(error)) => Outcome::failed(error),
        Err(_) => Outcome::failed("NATS does not answer in time; check state.servers and the network in between"),
    })
}
