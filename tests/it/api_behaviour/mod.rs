//! What the Management Activity API and what stands before it are known to do, end to end over the simulator.
//!
//! docs/api-behaviour.md lists each behaviour with its source and names the test that shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "simulator")]

mod blobs;
mod bodies;
mod listing;
mod proxies;
mod records;
mod subscriptions;
mod throttling;
mod tokens;
mod whole;

use office365_source::transport::TransportError;
use serde_json::{Value, json};

use crate::support::{
    lab::Lab,
    wire::{Answer, Sent},
};

const TOKEN: &str = "/oauth2/";
const LIST: &str = "/subscriptions/list";
const START: &str = "/subscriptions/start";
const CONTENT: &str = "/subscriptions/content";
const BLOB: &str = "/activity/feed/audit/";

/// Answers the first `times` requests for an operation with `answer`.
fn first(
    mut times: u32,
    operation: &'static str,
    answer: Answer,
) -> impl FnMut(&Sent, Answer) -> Result<Answer, TransportError> + Send {
    move |sent, real| {
        if sent.asks(operation) && times > 0 {
            times -= 1;
            return Ok(answer.clone());
        }
        Ok(real)
    }
}

/// Changes the array that an operation answers with.
fn edit(
    operation: &'static str,
    change: impl Fn(&mut Vec<Value>) + Send,
) -> impl FnMut(&Sent, Answer) -> Result<Answer, TransportError> + Send {
    move |sent, mut answer| {
        if sent.asks(operation)
            && let Ok(Value::Array(mut elements)) = serde_json::from_slice(&answer.body)
        {
            change(&mut elements);
            answer.body = Value::Array(elements).to_string().into();
        }
        Ok(answer)
    }
}

fn error_body(code: &str, message: &str) -> String {
    json!({ "error": { "code": code, "message": message } }).to_string()
}

fn assert_exactly_once_of(lab: &Lab) {
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    lab.assert_arrived_once(&expected.iter().map(String::as_str).collect::<Vec<_>>());
}
