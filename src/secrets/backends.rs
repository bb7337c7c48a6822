//! Reads the stores of secrets that a whole file refers to: `SECRET[backend.key]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    thread,
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::sleep};

use super::{CommandProblem, command::run_until, local};
use crate::config::{self, BackendSecrets, ConfigError, ConfigErrors, SecretBackend, SecretName, TopologyConfig};

/// Reads and checks a configuration file, with the secrets of its backends in their places.
///
/// # Errors
///
/// What is wrong with the file, or why a secret cannot be read.
pub fn load(path: &Path) -> Result<TopologyConfig, ConfigErrors> {
    config::load_with_secrets(path, read)
}

fn read(
    backends: &BTreeMap<String, SecretBackend>,
    names: &BTreeSet<SecretName>,
) -> Result<BackendSecrets, ConfigErrors> {
    let mut errors = Vec::new();
    let mut secrets = BackendSecrets::new();
    let asked: BTreeSet<_> = names.iter().map(|name| name.backend.as_str()).collect();
    for asked in asked {
        let keys: Vec<_> = names.iter().filter(|name| name.backend == asked).map(|name| name.key.as_str()).collect();
        let path = format!("secret.{asked}");
        let Some(backend) = backends.get(asked) else {
            let help = format!("Write a table [{path}] with type = \"exec\", \"file\" or \"directory\".");
            errors.push(ConfigError::new(path, format!("is missing, and SECRET[{asked}.…] refers to it"), help));
            continue;
        };
        match read_backend(backend, &keys) {
            Ok(read) => {
                for (key, secret) in keys.iter().zip(read) {
                    let name = SecretName { backend: asked.to_owned(), key: (*key).to_owned() };
                    match secret {
                        Ok(secret) => _ = secrets.insert(name, secret),
                        Err(problem) => errors.push(ConfigError::new(&path, format!("{name}: {problem}"), "")),
                    }
                }
            }
            Err(problem) => errors.push(ConfigError::new(path, problem, "")),
        }
    }
    ConfigErrors::check(errors).map(|()| secrets)
}

type ReadSecret = Result<SecretString, String>;

/// One secret for each key, in their order.
fn read_backend(backend: &SecretBackend, keys: &[&str]) -> Result<Vec<ReadSecret>, String> {
    match backend {
        SecretBackend::Exec { command, timeout } => ask_command(command, Duration::from_secs(*timeout), keys),
        SecretBackend::File { path } => read_file(path, keys),
        SecretBackend::Directory { path, remove_trailing_whitespace } => {
            Ok(keys.iter().map(|key| read_in_directory(path, key, *remove_trailing_whitespace)).collect())
        }
    }
}

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

fn ask_command(command: &[String], patience: Duration, keys: &[&str]) -> Result<Vec<ReadSecret>, String> {
    let (program, arguments) = command.split_first().ok_or("names no program")?;
    let question = json!({ "version": "1.0", "secrets": keys }).to_string();
    let told = |problem: CommandProblem| format!("the command {program} {problem}");
    // A thread of its own, since a configuration is also loaded where a runtime runs already.
    let answer = thread::scope(|scope| {
        let ask = || -> io::Result<_> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(run_until(program, arguments, Some(question.into_bytes()), async {
                sleep(patience).await;
                patience
            })))
        };
        scope.spawn(ask).join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    });
    let answer = answer.map_err(|error| error.to_string())?.map_err(told)?;
    let mut given: BTreeMap<String, Given> = serde_json::from_str(&answer).map_err(|_| {
        format!("the command {program} printed something else than {{\"key\":{{\"value\":\"…\",\"error\":null}}}}")
    })?;
    Ok(keys
        .iter()
        .map(|key| match given.remove(*key) {
            Some(Given { error: Some(error), value }) => {
                // Nothing that stands where the secret should.
                let error = match value.filter(|value| !value.is_empty()) {
                    Some(value) => error.replace(&value, "[redacted]"),
                    None => error,
                };
                Err(format!("the command {program} says: {}", crate::printable::printable(&error, 300)))
            }
            Some(Given { value: Some(value), .. }) => not_empty(value),
            _ => Err(format!("the command {program} gave none")),
        })
        .collect())
}

fn read_file(path: &Path, keys: &[&str]) -> Result<Vec<ReadSecret>, String> {
    let cannot = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let text = local::from_file("", path).map_err(|error| match error {
        super::SecretError::Unreadable { source, .. } => cannot(&source),
        _ => cannot(&"is not a text of up to 64 KiB"),
    })?;
    // The parser's own words could quote a secret.
    let members: BTreeMap<String, Value> = serde_json::from_str(&text).map_err(|_| cannot(&"is not a JSON object"))?;
    Ok(keys
        .iter()
        .map(|key| match members.get(*key) {
            Some(Value::String(text)) => not_empty(text.clone()),
            Some(_) => Err(format!("is not a text in {}", path.display())),
            None => Err(format!("is not in {}", path.display())),
        })
        .collect())
}

fn read_in_directory(directory: &Path, key: &str, trims: bool) -> ReadSecret {
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("leads out of the directory".to_owned());
    }
    let path = directory.join(key);
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(format!("{} is not a file", path.display()));
    }
    let text = local::from_file("", &path).map_err(|error| match error {
        super::SecretError::Unreadable { source, .. } => format!("{}: {source}", path.display()),
        _ => format!("{} is not a text of up to 64 KiB", path.display()),
    })?;
    not_empty(if trims { text.trim_end().to_owned() } else { text })
}

fn not_empty(text: String) -> ReadSecret {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(SecretString::from(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 3] = ["of-the-file", "of-the-directory", "of-the-command"];

    /// A file in which each kind of backend gives a secret, but for what `change` does to it.
    fn config(directory: &Path, change: impl FnOnce(String) -> String) -> Result<TopologyConfig, String> {
        fs::write(directory.join("secrets.json"), r#"{"client/secret":"of-the-file","number":5}"#).unwrap();
        fs::create_dir_all(directory.join("sub")).unwrap();
        fs::write(directory.join("sub/auth-id"), "of-the-directory \n").unwrap();
        let answer = r#"{"proxy":{"value":"of-the-command","error":null},"locked":{"value":null,"error":"is locked"},"other":{}}"#;
        fs::write(directory.join("answer"), answer).unwrap();
        // Answers who asks in Vector's protocol.
        let script = r#"read -r asked; case "$asked" in '{"secrets":["'*'"],"version":"1.0"}') cat "$0";; esac"#;
        let text = format!(
            r#"
            [secret.file]
            type = "file"
            path = "{path}/secrets.json"
            [secret.directory]
            type = "directory"
            path = "{path}"
            remove_trailing_whitespace = true
            [secret.command]
            type = "exec"
            command = ["/bin/sh", "-c", {script:?}, "{path}/answer"]
            [proxy]
            https = "http://me:SECRET[command.proxy]@proxy:3128"
            [sources.m365]
            type = "office365"
            auth.client_id = "11111111-2222-4333-8444-555555555555"
            auth.client_secret = "SECRET[file.client/secret]"
            tenants = [{{ id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62" }}]
            webhook.auth_id = "SECRET[directory.sub/auth-id]"
            [sinks.out]
            type = "console"
            inputs = ["m365"]
            "#,
            path = directory.display(),
        );
        let path = directory.join("config.toml");
        fs::write(&path, change(text)).unwrap();
        load(&path).map_err(|errors| errors.to_string())
    }

    #[cfg(unix)]
    #[test]
    fn every_kind_of_backend_gives_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), |text| text).unwrap();
        let config::SourceEntry::Office365(source) = &config.sources["m365"];
        assert_eq!(source.auth.client_secret, Some("of-the-file".into()));
        assert_eq!(source.webhook.auth_id, Some("of-the-directory".into()));
        let proxy = config.proxy.https.as_ref().unwrap().expose();
        assert_eq!(proxy.as_str(), "http://me:of-the-command@proxy:3128/");
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_wrong_is_told_without_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        for (from, to, words) in [
            ("SECRET[file.", "SECRET[flie.", &["secret.flie: is missing", "[secret.flie]"][..]),
            ("client/secret]", "nothing]", &["secret.file: SECRET[file.nothing]: is not in "]),
            ("client/secret]", "number]", &["SECRET[file.number]: is not a text in "]),
            ("sub/auth-id]", "../secrets.json]", &["leads out of the directory"]),
            ("sub/auth-id]", "sub]", &["is not a file"]),
            ("sub/auth-id]", "sub/none]", &["sub/none: No such file"]),
            ("command.proxy]", "command.other]", &["secret.command: SECRET[command.other]: ", "gave none"]),
            ("command.proxy]", "command.locked]", &["SECRET[command.locked]: ", "says: is locked"]),
            ("/bin/sh\", \"-c", "/bin/echo\", \"of-the-command", &["printed something else than"]),
            ("type = \"directory\"", "type = \"dirctory\"", &["secret.directory.type", "did you mean \"directory\"?"]),
            ("/secrets.json", "/sub/auth-id", &["secret.file: ", "is not a JSON object"]),
            ("\"/bin/sh\"", "\"/bin/no-shell\"", &["secret.command: the command /bin/no-shell cannot be started"]),
            ("command = [", "timeout = 0\ncommand = [", &["secret.command.timeout"]),
            // A secret in the wrong place, which the message about it would quote.
            ("type = \"console\"", "type = \"SECRET[file.client/secret]\"", &["sinks.out.type", "[redacted]"]),
        ] {
            let problem = config(directory.path(), |text| text.replacen(from, to, 1)).unwrap_err();
            for word in words {
                assert!(problem.contains(word), "{word:?} is not in {problem:?}");
            }
            assert!(!SECRETS.iter().any(|secret| problem.contains(secret)), "{problem}");
        }
    }
}
