//! Azure Arc's challenge: the caller proves that it may read a file that the agent writes.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use http::{HeaderMap, HeaderValue, header};

use super::ManagedIdentityError;

/// The agent's keys are shorter; what is longer was put there by another.
const LARGEST_KEY: u64 = 4_096;

/// What answers the challenge `WWW-Authenticate: Basic realm=<file>`. Only a file in the agent's own directory is read, whatever
/// the challenge says.
pub(super) fn answer(headers: &HeaderMap, key_directory: &Path) -> Result<HeaderValue, ManagedIdentityError> {
    let challenge = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let path = challenge
        .and_then(|challenge| challenge.trim().strip_prefix("Basic realm="))
        .map(|path| PathBuf::from(path.trim_matches('"')))
        .ok_or(ManagedIdentityError::ArcChallenge)?;
    let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    if !is_plain || path.parent() != Some(key_directory) || path.extension().is_none_or(|name| name != "key") {
        return Err(ManagedIdentityError::ArcKeyElsewhere { path });
    }
    let unreadable = |detail: String| ManagedIdentityError::ArcKey { path: path.clone(), detail };
    let length = fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > LARGEST_KEY {
        return Err(unreadable("it is larger than 4 KiB".to_owned()));
    }
    let key = fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut value = HeaderValue::from_str(&format!("Basic {}", key.trim_end()))
        .map_err(|_| unreadable("it holds something else than a key".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
