//! What goes wrong with one request.

use std::time::Duration;

use rand::RngExt;

use super::{GraphOperation, error::GraphError, state::throttled};
use crate::simulator::{answer::Damage, dice, state::SimulatorState};

/// How the answer to a creation gets lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// Nothing comes before the connection closes.
    NoAnswer,
    /// The connection breaks in the middle of the answer.
    Broken,
    /// A gateway gives up waiting: 504.
    GatewayTimeout,
}

/// What goes wrong with one request.
pub(super) struct Mishap {
    pub latency: Duration,
    pub hang: bool,
    pub refusal: Option<GraphError>,
    pub damage: Option<Damage>,
    pub loss: Option<Loss>,
}

impl Mishap {
    /// Draws all of them each time, so that a request's fate does not depend on which other faults are switched on.
    pub fn draw(state: &mut SimulatorState, operation: GraphOperation) -> Self {
        let faults = state.faults.graph.clone();
        let rng = &mut state.graph.rng;
        let latency = faults.latency.as_ref().map(|range| dice::duration(rng, range)).unwrap_or_default();
        let mut happens = |rate| dice::chance(rng, rate);
        let hang = happens(faults.hang_rate);
        let is_unauthorized = happens(faults.unauthorized_rate);
        let is_throttled = happens(faults.throttle_rate);
        let is_error = happens(faults.error_rate);
        let is_reset = happens(faults.reset_rate);
        let is_truncated = happens(faults.truncate_rate);
        let is_lost = happens(faults.lost_answers) && operation == GraphOperation::CreateQuery;
        let choice: u64 = rng.random();

        let refusal = if is_unauthorized {
            Some(GraphError::invalid_token("Access token has expired or is not yet valid."))
        } else if is_throttled {
            Some(throttled(state, 10))
        } else if is_error {
            Some(GraphError::backend(choice))
        } else {
            None
        };
        let damage = if is_reset {
            Some(Damage::Reset)
        } else if is_truncated {
            Some(Damage::Truncated)
        } else {
            None
        };
        let loss = is_lost.then_some(match choice % 3 {
            0 => Loss::NoAnswer,
            1 => Loss::Broken,
            _ => Loss::GatewayTimeout,
        });
        state.stats.graph.faults += u64::from(hang || refusal.is_some() || damage.is_some() || is_lost);
        Self { latency, hang, refusal, damage, loss }
    }
}
