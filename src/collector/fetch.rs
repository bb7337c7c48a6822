//! Getting one blob.

use futures::{StreamExt, TryStreamExt};
use snafu::ResultExt;

use super::{
    body::{Body, BodyError},
    error::{CollectorError, SpoolSnafu},
    shared::Shared,
    split::MalformedBody,
    spool::is_no_room,
};
use crate::{
    activity::{ActivityError, ErrorResponse, Failure},
    content::ContentRef,
};

/// A download that has brought so much more goes on, however long it takes. Unit: bytes.
const STEP: usize = 64 * 1024;

/// Fetches a blob whole.
///
/// # Errors
///
/// The outer error ends the collector; the inner one is about this blob.
pub async fn fetch(shared: &Shared, content: &ContentRef) -> Result<Result<Body, ActivityError>, CollectorError> {
    let mut response = match shared.client.retrieve_content(content.feed, &content.content_uri).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    let (progress, mut received) = (shared.progress.clone(), 0);
    response.body = response
        .body
        .inspect_ok(move |chunk| {
            let before = received / STEP;
            received += chunk.len();
            if received / STEP > before {
                progress.step();
            }
        })
        .boxed();
    let failure = match Body::receive(response, shared.options.body, &shared.options.spool_directory).await {
        Ok(body) => {
            shared.progress.step();
            return Ok(Ok(body));
        }
        Err(BodyError::Broken { source }) => Failure::Transport(source),
        Err(BodyError::TooLarge { limit }) => Failure::TooLarge { limit },
        Err(BodyError::Malformed { source, start }) => {
            // An error message in the place of content helps; the beginning of content does not, and is nobody's business.
            let problem = match source {
                MalformedBody::NotAnArray { .. } => format!("{source} ({})", ErrorResponse::parse(&start).message),
                MalformedBody::Empty | MalformedBody::Truncated => source.to_string(),
            };
            Failure::Malformed { problem }
        }
        Err(BodyError::Spool { source }) if is_no_room(&source) => {
            Failure::NoRoom { directory: shared.options.spool_directory.clone(), problem: source.to_string() }
        }
        Err(BodyError::Spool { source }) => {
            return Err(source).context(SpoolSnafu { directory: &shared.options.spool_directory });
        }
    };
    Ok(Err(shared.client.retrieval_error(content.feed, failure)))
}
