use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
};

use super::*;

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

async fn printed(script: &str, field: Option<&str>) -> Result<String, String> {
    let secret = ExecSecret { exec: shell(script), field: field.map(str::to_owned) };
    read(&secret, "sources.m365.auth.client_secret").await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_a_command_prints_is_the_secret() {
    assert_eq!(printed("echo hunter2", None).await.unwrap(), "hunter2\n");
    let json = r#"echo '{"value":"one","data":{"data":{"secret":"two"}},"a.b":"three","n":5}'"#;
    for (field, expected) in [("value", "one"), ("data.data.secret", "two"), ("a.b", "three")] {
        assert_eq!(printed(json, Some(field)).await.unwrap(), expected);
    }
    // The command gets no input, and need not read it.
    assert_eq!(printed("cat; echo done", None).await.unwrap(), "done\n");
}

#[tokio::test]
async fn what_is_wrong_is_told_without_the_secret() {
    for (script, field, words) in [
        ("echo hunter2; exit 3", None, &["failed (exit status: 3)", "Run it by hand"][..]),
        ("echo 'no key for hunter2' >&2; exit 1", None, &["failed (exit status: 1)", "is not shown here"]),
        ("echo 'APPAP004E: no hunter2' >&2; exit 1", None, &["failed (exit status: 1, APPAP004E)"]),
        ("echo '(APPAP227E) hunter2'; exit 1", None, &["failed (exit status: 1, APPAP227E)"]),
        ("printf '\\377\\376'", None, &["UTF-8"]),
        ("echo hunter2", Some("value"), &["something else than a JSON object"]),
        ("echo '{\"a\":\"hunter2\"}'", Some("value"), &["without value"]),
        ("echo '{\"value\":{\"a\":\"hunter2\"}}'", Some("value"), &["value is not a text"]),
        ("yes hunter2", None, &["more than 64 KiB"]),
    ] {
        let problem = printed(script, field).await.unwrap_err();
        assert!(problem.starts_with("sources.m365.auth.client_secret: the command /bin/sh "), "{problem}");
        for word in words {
            assert!(problem.contains(word), "{word:?} is not in {problem:?}");
        }
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    let secret = ExecSecret { exec: vec!["/nowhere/at/all".to_owned()], field: None };
    let problem = read(&secret, "key").await.unwrap_err().to_string();
    assert!(problem.contains("/nowhere/at/all cannot be started") && problem.contains("full path"), "{problem}");
}

#[tokio::test]
async fn a_command_with_much_to_say_on_its_standard_error_is_not_held_up() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo 'a line of a hundred or so characters, to fill the pipe' >&2; i=$((i+1)); \
                  done; echo hunter2";
    assert_eq!(printed(script, None).await.unwrap(), "hunter2\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_hangs_is_killed_with_what_it_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The grandchild holds the pipe open as long as it lives.
    let script = format!("(echo started; exec sleep 100000) > '{}' & sleep 100000", pipe.display());
    let (started, seen) = tokio::sync::oneshot::channel();
    let reader = tokio::spawn(async move {
        let mut lines = BufReader::new(File::open(pipe).await.unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "started");
        started.send(()).unwrap();
        lines.next_line().await.unwrap()
    });
    let arguments = shell(&script)[1..].to_vec();
    let give_up = async {
        seen.await.unwrap();
        Duration::from_secs(30)
    };
    let problem = run_until("/bin/sh", &arguments, None, give_up).await;
    assert!(matches!(problem, Err(CommandProblem::Hung { .. })), "{problem:?}");
    assert_eq!(reader.await.unwrap(), None, "a pipe ends when its last writer is gone");
}
