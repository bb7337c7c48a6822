//! The first stage: getting one blob whole.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use snafu::ResultExt;

use super::{
    body::{Body, BodyError},
    error::{BlobError, SpoolSnafu},
    split::MalformedBody,
    spool::is_no_room,
    task::BlobTask,
    telemetry,
};
use crate::activity::{ErrorResponse, Failure};

/// A download that has brought so much more goes on, however long it takes. Unit: bytes.
const STEP: usize = 64 * 1024;

/// Downloads a blob, unless the source shuts down first.
pub async fn fetch(task: &Arc<BlobTask>) -> Result<Body, BlobError> {
    let body = tokio::select! {
        body = download(task) => body?,
        () = task.shared.stop_fetching.cancelled() => return Err(BlobError::Stopped),
    };
    telemetry::bytes_received(&task.shared.progress, body.len());
    if body.form().junk > 0 {
        telemetry::trailing_bytes(&task.key, body.form().junk);
    }
    Ok(body)
}

async fn download(task: &Arc<BlobTask>) -> Result<Body, BlobError> {
    let (shared, content) = (&task.shared, &task.claim.content);
    let response = shared.client.retrieve_content(content.feed, &content.content_uri).await?;
    let (progress, mut received) = (shared.progress.clone(), 0);
    let body = response
        .body
        .inspect_ok(move |chunk| {
            let before = received / STEP;
            received += chunk.len();
            if received / STEP > before {
                progress.step();
            }
        })
        .boxed();
    let failure = match Body::receive(body, shared.options.body, &shared.options.spool_directory).await {
        Ok(body) => {
            shared.progress.step();
            return Ok(body);
        }
        Err(BodyError::Broken { source }) => Failure::Transport(source),
        Err(BodyError::TooLarge { limit }) => Failure::TooLarge { limit },
        Err(BodyError::Malformed { source, start }) => {
            // An error message in the place of content helps; the beginning of content does not, and is confidential.
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
            return Ok(Err(source).context(SpoolSnafu { directory: &shared.options.spool_directory })?);
        }
    };
    Err(shared.client.retrieval_error(content.feed, failure).into())
}
