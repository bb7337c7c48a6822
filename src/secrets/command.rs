//! Secrets that a command prints.

use std::{io, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::sleep,
};

use super::error::{CommandProblem, SecretError};
use crate::config::ExecSecret;

/// How long a command may take. It cannot ask a user anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Far above any secret.
const MOST_OUTPUT: u64 = 64 * 1024;

/// How much of the standard error is looked at.
const MOST_ERROR_OUTPUT: u64 = 16 * 1024;

/// Runs the command, and takes what it printed, or a member of that.
pub(super) async fn read(secret: &ExecSecret, key: &str) -> Result<String, SecretError> {
    let (program, arguments) = match secret.exec.split_first() {
        Some((program, arguments)) => (program.as_str(), arguments),
        None => ("", &[][..]),
    };
    let fail = |problem| SecretError::Command { key: key.to_owned(), program: program.to_owned(), problem };
    let printed = run(program, arguments).await.map_err(fail)?;
    match &secret.field {
        None => Ok(printed),
        Some(field) => member(&printed, field).map_err(|problem| fail(CommandProblem::Output { problem })),
    }
}

/// Runs a command and returns what it printed.
pub(super) async fn run(program: &str, arguments: &[String]) -> Result<String, CommandProblem> {
    let give_up = async {
        sleep(PATIENCE).await;
        PATIENCE
    };
    run_until(program, arguments, None, give_up).await
}

/// The same with an input, until it is time to give up; `give_up` says how long that was.
pub(super) async fn run_until(
    program: &str,
    arguments: &[String],
    input: Option<Vec<u8>>,
    give_up: impl Future<Output = Duration>,
) -> Result<String, CommandProblem> {
    let mut command = Command::new(program);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A group of its own, so that what the command has started ends with it.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| CommandProblem::Start { detail: error.to_string() })?;
    let group = Group::of(&child);
    tokio::select! {
        output = output(&mut child, input) => {
            let output = output?;
            group.disarm();
            output.into_secret()
        }
        waited = give_up => Err(CommandProblem::Hung { seconds: waited.as_secs() }),
    }
}

/// The processes of a command. Killed when this is dropped, unless it is disarmed before.
struct Group {
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Self { id }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    fn disarm(self) {
        #[cfg(unix)]
        {
            let mut group = self;
            group.id = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.id {
            // Fails when they have ended, which is as good.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

struct Output {
    status: std::process::ExitStatus,
    printed: Vec<u8>,
    said: Vec<u8>,
}

async fn output(child: &mut Child, input: Option<Vec<u8>>) -> Result<Output, CommandProblem> {
    let stdin = child.stdin.take();
    let write = async {
        // A command need not read its input.
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            let _ = stdin.write_all(&input).await;
        }
        Ok(())
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let broken = |error: io::Error| CommandProblem::Start { detail: error.to_string() };
    let printed = async {
        let printed = read_up_to(stdout, MOST_OUTPUT + 1).await.map_err(broken)?;
        if printed.len() as u64 > MOST_OUTPUT { Err(CommandProblem::TooLong) } else { Ok(printed) }
    };
    let error_output = async { Ok(read_all_keep(stderr, MOST_ERROR_OUTPUT).await) };
    let ((), printed, error_output) = tokio::try_join!(write, printed, error_output)?;
    let status = child.wait().await.map_err(broken)?;
    Ok(Output { status, printed, said: error_output })
}

async fn read_up_to(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most).read_to_end(&mut read).await?;
    }
    Ok(read)
}

/// Reads to the end, so that the command never waits for room, and keeps the beginning.
async fn read_all_keep(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(most).read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    kept
}

impl Output {
    fn into_secret(self) -> Result<String, CommandProblem> {
        if !self.status.success() {
            let code = error_code(&self.said).or_else(|| error_code(&self.printed));
            return Err(CommandProblem::Failed { status: self.status.to_string(), code });
        }
        String::from_utf8(self.printed).map_err(|_| CommandProblem::Output {
            problem: "printed something else than UTF-8 text. Make it print the secret, and nothing else.".to_owned(),
        })
    }
}

/// The first word that is a code of an error of CyberArk's: letters, three digits, a letter. No secret looks like that.
fn error_code(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let is_code = |word: &&str| {
        let letters = word.bytes().take_while(u8::is_ascii_uppercase).count();
        let rest = word.as_bytes().get(letters..).unwrap_or_default();
        let [digits @ .., last] = rest else { return false };
        (4..=6).contains(&letters)
            && digits.len() == 3
            && digits.iter().all(u8::is_ascii_digit)
            && last.is_ascii_uppercase()
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_code).map(str::to_owned)
}

/// A text within a JSON object: the member of this name, or what the names between dots lead to.
fn member(json: &str, field: &str) -> Result<String, String> {
    let Ok(Value::Object(object)) = serde_json::from_str(json) else {
        return Err(
            "printed something else than a JSON object, which field wants. Leave field out, or have it print one."
                .to_owned(),
        );
    };
    let found = object.get(field).cloned().or_else(|| {
        let mut value = Value::Object(object);
        for name in field.split('.') {
            value = value.get_mut(name)?.take();
        }
        Some(value)
    });
    match found {
        Some(Value::String(text)) => Ok(text),
        Some(_) => {
            Err(format!("printed an object whose {field} is not a text. Write the field that holds the secret."))
        }
        None => Err(format!("printed an object without {field}. Write the field that holds the secret.")),
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
