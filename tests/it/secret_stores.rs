//! Secrets in stores, against servers that answer as the vendors' documentation says.
#![cfg(feature = "simulator")]

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Utc};
use office365_source::{
    config::SecretRef,
    secrets::{Secret, SecretReader},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{
    http_peer::{HttpPeer, Received, Reply},
    pki::Authority,
};

const KEY: &str = "sources.m365.auth.client_secret";
const SECRET: &str = "abc8Q~hunter2";
const TOKEN: &str = "hvs.CAESIJtokentoken";
const SECRET_ID: &str = "841771dc-11c9-bbc7-bcac-6a3945a69cd9";

fn reference(value: Value) -> SecretRef {
    serde_json::from_value(value).unwrap()
}

async fn read(reader: &SecretReader, secret: &SecretRef) -> Result<Secret, String> {
    let result = reader.read(secret, KEY).await.map_err(|error| error.to_string());
    if let Err(problem) = &result {
        for secret in [SECRET, TOKEN, SECRET_ID] {
            assert!(!problem.contains(secret), "{problem}");
        }
        assert!(problem.starts_with(KEY), "{problem}");
    }
    result
}

async fn read_once(secret: &SecretRef) -> Result<String, String> {
    read(&SecretReader::default(), secret).await.map(|secret| secret.value.expose_secret().to_owned())
}

/// A Vault with an engine of version 2 at `secret/` and one of version 1 at `old/kv/`.
fn vault(request: &Received) -> Reply {
    let json = |status: u16, body: Value| Reply::Made(status, body.to_string());
    let denied = || json(403, json!({ "errors": ["permission denied"] }));
    assert_eq!(request.header("x-vault-request"), Some("true"));
    if request.path == "/v1/auth/approle/login" || request.path == "/v1/auth/kubernetes/login" {
        let login: Value = serde_json::from_slice(&request.body).unwrap();
        if login["secret_id"] != SECRET_ID && login["jwt"] != "ey.service.account" {
            return json(400, json!({ "errors": ["invalid role or secret ID"] }));
        }
        return json(200, json!({ "auth": { "client_token": TOKEN, "lease_duration": 2_764_800 } }));
    }
    if request.header("x-vault-token") != Some(TOKEN) {
        return denied();
    }
    match request.path.as_str() {
        "/v1/sys/internal/ui/mounts/secret/m365" | "/v1/sys/internal/ui/mounts/secret/data/m365" => {
            json(200, json!({ "data": { "path": "secret/", "type": "kv", "options": { "version": "2" } } }))
        }
        "/v1/sys/internal/ui/mounts/old/kv/m365" => {
            json(200, json!({ "data": { "path": "old/kv/", "type": "kv", "options": null } }))
        }
        "/v1/secret/data/m365" => json(
            200,
            json!({ "data": {
                "data": { "client_secret": SECRET, "empty": " ", "number": 5 },
                "metadata": { "version": 3, "deletion_time": "2027-01-01T00:00:00.5Z", "destroyed": false }
            } }),
        ),
        "/v1/old/kv/m365" => {
            json(200, json!({ "lease_duration": 2_764_800, "data": { "client_secret": SECRET, "data": "x" } }))
        }
        _ => denied(),
    }
}

fn in_vault(peer: &HttpPeer, path: &str, field: &str, more: &Value) -> SecretRef {
    let mut vault = json!({ "address": format!("http://{}", peer.address), "path": path, "field": field });
    vault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    reference(json!({ "vault": vault }))
}

#[tokio::test]
async fn vault_gives_fields_of_either_version_by_either_path() {
    let peer = HttpPeer::answering(vault).await;
    for path in ["secret/m365", "/secret/m365/", "secret/data/m365", "old/kv/m365"] {
        let secret = in_vault(&peer, path, "client_secret", &json!({ "token": TOKEN }));
        assert_eq!(read_once(&secret).await.as_deref(), Ok(SECRET), "{path}");
    }
    let secret =
        in_vault(&peer, "secret/m365", "client_secret", &json!({ "token": TOKEN, "namespace": "security/m365" }));
    let read = read(&SecretReader::default(), &secret).await.unwrap();
    assert_eq!(read.expires, Some("2027-01-01T00:00:00.5Z".parse::<DateTime<Utc>>().unwrap()));
    let last = peer.received().pop().unwrap();
    assert_eq!(last.header("x-vault-namespace"), Some("security/m365"));
}

#[tokio::test]
async fn vault_s_logins_are_used_for_several_secrets_and_renewed_when_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "ey.service.account\n").unwrap();
    for login in [
        json!({ "approle": { "role_id": "role", "secret_id": SECRET_ID } }),
        json!({ "kubernetes": { "role": "office365-source", "token_file": file } }),
    ] {
        let (logins, revoked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, gone) = (Arc::clone(&logins), Arc::clone(&revoked));
        let peer = HttpPeer::answering(move |request| {
            if request.path.ends_with("/login") {
                counted.fetch_add(1, Ordering::SeqCst);
                gone.store(0, Ordering::SeqCst);
            } else if gone.load(Ordering::SeqCst) > 0 {
                return Reply::Status(403, r#"{"errors":["permission denied"]}"#);
            }
            vault(request)
        })
        .await;
        let secret = in_vault(&peer, "secret/m365", "client_secret", &login);
        let reader = SecretReader::default();
        for key in ["one", "two"] {
            assert_eq!(reader.read(&secret, key).await.unwrap().value.expose_secret(), SECRET);
        }
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        revoked.store(1, Ordering::SeqCst);
        reader.doubt("one").await;
        assert_eq!(reader.read(&secret, "one").await.unwrap().value.expose_secret(), SECRET);
        assert_eq!(logins.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn what_is_wrong_with_vault_is_told_with_what_to_do() {
    let peer = HttpPeer::answering(vault).await;
    let token = json!({ "token": TOKEN });
    for (secret, words) in [
        (in_vault(&peer, "secret/m365", "password", &token), &["no field password", "client_secret, empty"][..]),
        (in_vault(&peer, "secret/m365", "empty", &token), &["field empty of secret/data/m365 is empty"]),
        (in_vault(&peer, "secret/m365", "number", &token), &["is not a text"]),
        (in_vault(&peer, "secret/other", "x", &token), &["permission denied", "capability read on secret/other"]),
        (in_vault(&peer, "secret/m365", "x", &json!({ "token": "s.a\nX-B: c" })), &["vault.token", "no header"]),
        (in_vault(&peer, "secret/m365", "x", &json!({ "token": "s.old" })), &["HTTP 403", "must not have expired"]),
        (
            in_vault(&peer, "secret/m365", "x", &json!({ "approle": { "role_id": "r", "secret_id": "wrong" } })),
            &["HTTP 400", "invalid role or secret ID", "mounted at approle"],
        ),
    ] {
        let problem = read_once(&secret).await.unwrap_err();
        for word in words {
            assert!(problem.contains(word), "{word:?} is not in {problem:?}");
        }
        let is_vault_s = problem.contains(&format!("Vault at http://{}", peer.address));
        assert!(is_vault_s || problem.contains("no header"), "{problem}");
    }
    for (reply, words) in [
        (Reply::Status(200, "<html>Sign in</html>"), &["something else than Vault's JSON", "Check that address"][..]),
        (
            Reply::Status(404, r#"{"errors":[]}"#),
            &["HTTP 404", "its last version is deleted", "vault kv get secret/m365"],
        ),
        (
            Reply::Status(503, r#"{"errors":["Vault is sealed"]}"#),
            &["cannot answer now (HTTP 503 Service Unavailable): Vault is sealed"],
        ),
        (Reply::With(307, "location: http://10.0.0.1/\r\n", ""), &["HTTP 307", "redirects, which is not followed"]),
        (Reply::Close, &["does not answer"]),
        (Reply::Made(403, json!({ "errors": [format!("bad token {TOKEN}")] }).to_string()), &["bad token [redacted]"]),
    ] {
        let peer = HttpPeer::answering(move |_| reply.clone()).await;
        let secret = in_vault(&peer, "secret/m365", "x", &json!({ "token": TOKEN }));
        let problem = read_once(&secret).await.unwrap_err();
        for word in words {
            assert!(problem.contains(word), "{word:?} is not in {problem:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_kept_while_its_store_cannot_answer_and_no_longer() {
    let answer = Arc::new(Mutex::new((200, r#"{"Content":"one"}"#)));
    let answers = Arc::clone(&answer);
    let peer = HttpPeer::answering(move |_| {
        let (status, body) = *answers.lock().unwrap();
        Reply::Status(status, body)
    })
    .await;
    let url = format!("http://{}", peer.address);
    let secret = reference(json!({ "cyberark_ccp": { "url": url, "app_id": "a", "safe": "s", "object": "o" } }));
    let reader = SecretReader::default();
    let value = |secret: Secret| secret.value.expose_secret().to_owned();
    for _ in 0..3 {
        assert_eq!(value(read(&reader, &secret).await.unwrap()), "one");
    }
    assert_eq!(peer.received().len(), 1, "it is not asked for again within a minute");
    for (status, body, expected) in [
        (200, r#"{"Content":"two"}"#, Ok("two")),
        (503, "", Ok("two")),
        (200, r#"{"Content":"three"}"#, Ok("three")),
        (403, "<html>", Err("HTTP 403")),
        (200, r#"{"Content":""}"#, Err("is empty")),
    ] {
        *answer.lock().unwrap() = (status, body);
        reader.doubt(KEY).await;
        match (read(&reader, &secret).await.map(value), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{problem}"),
            (found, expected) => panic!("{found:?} and not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn cyberark_s_accounts_are_asked_for_with_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let client = clients.client("office365-source");
    client.write(&path("ccp.crt"), &path("ccp.key"));
    fs::write(path("ca.pem"), servers.pem()).unwrap();
    let peer = HttpPeer::with_tls_answering(&servers.server(), Some(&clients), |request| {
        let (path, query) = request.path.split_once('?').unwrap();
        assert_eq!(path, "/AIMWebService/api/Accounts");
        match query {
            "AppID=m365&Safe=Audit&Folder=Root&Object=secret+of+app"
            | "AppID=m365&Query=Safe%3DAudit%3BUserName%3Dx" => {
                Reply::Made(200, json!({ "Content": SECRET, "PasswordChangeInProcess": "False" }).to_string())
            }
            _ => Reply::Status(404, r#"{"ErrorCode":"APPAP004E","ErrorMsg":"Password object was not found"}"#),
        }
    })
    .await;
    let ccp = |criteria: Value, certificate: bool| {
        let mut ccp = json!({ "url": format!("https://localhost:{}", peer.address.port()), "app_id": "m365", "ca_file": path("ca.pem") });
        let map = ccp.as_object_mut().unwrap();
        map.extend(criteria.as_object().unwrap().clone());
        if certificate {
            map.insert("crt_file".to_owned(), json!(path("ccp.crt")));
            map.insert("key_file".to_owned(), json!(path("ccp.key")));
        }
        reference(json!({ "cyberark_ccp": ccp }))
    };
    let by_object = json!({ "safe": "Audit", "folder": "Root", "object": "secret of app" });
    assert_eq!(read_once(&ccp(by_object.clone(), true)).await.as_deref(), Ok(SECRET));
    assert_eq!(read_once(&ccp(json!({ "query": "Safe=Audit;UserName=x" }), true)).await.as_deref(), Ok(SECRET));
    let problem = read_once(&ccp(json!({ "safe": "Audit", "object": "other" }), true)).await.unwrap_err();
    assert!(problem.contains("APPAP004E Password object was not found"), "{problem}");
    assert!(problem.contains("members of the safe"), "{problem}");
    let problem = read_once(&ccp(by_object, false)).await.unwrap_err();
    assert!(problem.contains("does not answer"), "the server wants a certificate: {problem}");
}

#[cfg(unix)]
#[tokio::test]
async fn cyberark_s_provider_on_this_machine_is_run_as_its_manual_says() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("clipasswordsdk");
    let expected = "GetPassword|-p|AppDescs.AppID=m365|-p|Query=Safe=Audit;Folder=Root;Object=app|-o|Password|";
    let script = format!(
        "#!/bin/sh\ngot=$(for argument; do printf '%s|' \"$argument\"; done)\n\
         if [ \"$got\" = '{expected}' ]; then echo '{SECRET}'; else echo \"APPAP004E no $got\" >&2; exit 1; fi\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let of = |object: &str| {
        let account = json!({ "app_id": "m365", "safe": "Audit", "object": object, "cli_path": program });
        reference(json!({ "cyberark_cp": account }))
    };
    assert_eq!(read_once(&of("app")).await.as_deref(), Ok(SECRET));
    let problem = read_once(&of("other")).await.unwrap_err();
    assert!(problem.contains("failed (exit status: 1, APPAP004E)") && problem.contains("Run it by hand"), "{problem}");
}
