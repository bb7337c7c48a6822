//! Telling in time that a credential expires.

use std::{convert::Infallible, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::sleep;

use super::{Credentials, telemetry};
use crate::content::TenantId;

/// How often a credential is looked at.
const EVERY: Duration = Duration::from_hours(1);

/// A warning is due when the rest is first shorter than each of these.
const STEPS: [TimeDelta; 4] = [TimeDelta::days(30), TimeDelta::days(7), TimeDelta::days(1), TimeDelta::zero()];

/// Looks every hour when the credentials expire: as a gauge, and as a warning 30 days, 7 days and one day before, at once when
/// it is less at the start. `known` gets each time, with the tenant whose own credential it is. Never ends.
pub async fn watch_expiry(
    credentials: Credentials,
    now: impl Fn() -> DateTime<Utc>,
    known: impl Fn(Option<TenantId>, DateTime<Utc>),
) -> Infallible {
    let mut told = vec![0; credentials.iter().count()];
    loop {
        for ((tenant, credential), told) in credentials.iter().zip(&mut told) {
            // The cause is reported where the credential is needed.
            let Ok(Some(expires)) = credential.expires().await else { continue };
            telemetry::expires(tenant, expires);
            known(tenant, expires);
            let passed = steps_passed(expires - now());
            if passed > *told {
                telemetry::expires_soon(tenant, credential, expires, passed == STEPS.len());
            }
            // A renewed one has its own warnings.
            *told = passed;
        }
        sleep(EVERY).await;
    }
}

fn steps_passed(rest: TimeDelta) -> usize {
    STEPS.iter().filter(|step| rest < **step).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_passed_once() {
        for (rest, expected) in [
            (TimeDelta::days(31), 0),
            (TimeDelta::days(30), 0),
            (TimeDelta::days(29), 1),
            (TimeDelta::days(6), 2),
            (TimeDelta::hours(23), 3),
            (TimeDelta::seconds(-1), 4),
        ] {
            assert_eq!(steps_passed(rest), expected, "{rest}");
        }
    }
}
