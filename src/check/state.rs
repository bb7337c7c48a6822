//! The state that several collectors share.

use std::time::Duration;

use tokio::time::timeout;

use super::Outcome;
use crate::{
    config::{StateConfig, StateKind},
    ledger::{NatsLedger, NatsProbe, NatsRoom},
    secrets::SecretReader,
    shared_state::nats_options,
};

/// Clocks that differ by no more agree. Unit: seconds.
const MOST_AHEAD: i64 = 5;

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
        Ok(Ok(probe)) => of_servers(&probe),
        Ok(Err(error)) => Outcome::failed(error),
        Err(_) => Outcome::failed("NATS does not answer in time; check state.servers and the network in between"),
    })
}

fn of_servers(probe: &NatsProbe) -> Outcome {
    let NatsProbe { version, bucket, members, room, clock_ahead } = probe;
    if let Some(NatsRoom { used, limit }) = room.filter(|room| room.is_scarce()) {
        return Outcome::failed(format_args!(
            "the account may store {limit} bytes in JetStream, and {used} are stored; give it more, or delete streams that nobody needs. \
             Without room, nothing is collected"
        ));
    }
    let found = match members {
        Some(members) => {
            format!("NATS {version} with JetStream holds the bucket {bucket}; collectors that share it now: {members}")
        }
        None => format!(
            "NATS {version} with JetStream answers; the first collector that starts makes the bucket {bucket} in it"
        ),
    };
    match clock_ahead {
        Some(ahead) if ahead.abs() > MOST_AHEAD => Outcome::note(format!(
            "{found}. The clock of the NATS servers differs from this machine's by {} seconds; collectors go by that of the servers, so \
             that those of all servers must agree",
            ahead.abs()
        )),
        _ => Outcome::ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> NatsProbe {
        NatsProbe {
            version: "2.15.1".to_owned(),
            bucket: "o365_state".to_owned(),
            members: Some(3),
            room: Some(NatsRoom { used: 900 << 20, limit: 1_000 << 20 }),
            clock_ahead: Some(-MOST_AHEAD),
        }
    }

    #[test]
    fn little_room_is_a_failure_and_another_clock_is_said() {
        let of = |change: fn(&mut NatsProbe)| {
            let mut probe = probe();
            change(&mut probe);
            of_servers(&probe)
        };
        assert!(matches!(of(|_| ()), Outcome::Ok(text) if text.ends_with("share it now: 3")));
        assert!(matches!(of(|probe| probe.room = None), Outcome::Ok(_)));
        assert!(matches!(
            of(|probe| probe.room = Some(NatsRoom { used: 901 << 20, limit: 1_000 << 20 })),
            Outcome::Failed(_)
        ));
        let other = of(|probe| probe.clock_ahead = Some(-MOST_AHEAD - 1));
        assert!(matches!(&other, Outcome::Note(text) if text.contains("by 6 seconds")), "{other:?}");
    }
}
