//! All ways to show NATS who one is, with real servers that ask for them.

use std::fs;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use office365_source::simulator::{Backlog, SimulatorConfig};
use serde_json::{Value, json};

use super::skips;
use crate::{nats_server::NatsServer, program::World, support::pki::Authority, world::text};

/// What a server asks for, and what the configuration says: what is right, and what the server refuses.
struct Login {
    name: &'static str,
    server: String,
    right: String,
    wrong: String,
}

/// A JSON Web Token as the servers want it, of a subject and signed by an issuer.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let (header, claims) = (
        json!({ "typ": "JWT", "alg": "ed25519-nkey" }),
        json!({
            "jti": "a-test", "iat": 1_790_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": "a test",
            "nats": claims
        }),
    );
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// A file of credentials, as `nsc` writes it.
fn credentials(account: &KeyPair) -> String {
    let user = KeyPair::new_user();
    let claims = json!({
        "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1
    });
    format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        token(account, &user, &claims),
        user.seed().unwrap()
    )
}

/// A server with accounts of an operator, and files of credentials in `world`.
fn with_accounts(world: &World) -> Login {
    let (operator, system, account) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let of_operator = json!({ "type": "operator", "version": 2, "system_account": system.public_key() });
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1
    });
    let of_account = json!({ "type": "account", "version": 2, "limits": limits });
    // A system account stores nothing.
    let of_system = json!({ "type": "account", "version": 2, "limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
    }});
    let server = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}\n",
        token(&operator, &operator, &of_operator),
        system.public_key(),
        system.public_key(),
        token(&operator, &system, &of_system),
        account.public_key(),
        token(&operator, &account, &of_account),
    );
    let file = |name, account| {
        fs::write(world.path(name), credentials(account)).unwrap();
        format!("credentials_file = \"{}\"", world.path(name).display())
    };
    let stranger = KeyPair::new_account();
    Login {
        name: "credentials_file",
        server,
        right: file("right.creds", &account),
        wrong: file("wrong.creds", &stranger),
    }
}

/// A server with TLS, which wants a certificate of the client, too; its files are in `world`.
fn with_certificates(world: &World) -> Login {
    let path = |name: &str| world.path(name).display().to_string();
    let (authority, stranger) = (Authority::new("Example CA"), Authority::new("Other CA"));
    fs::write(world.path("ca.pem"), authority.pem()).unwrap();
    authority.server().write(&world.path("server.crt"), &world.path("server.key"));
    authority.client("collector").write(&world.path("client.crt"), &world.path("client.key"));
    stranger.client("collector").write(&world.path("other.crt"), &world.path("other.key"));
    let server = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        path("server.crt"),
        path("server.key"),
        path("ca.pem")
    );
    let tls = |name: &str| {
        format!(
            "tls = {{ ca_file = \"{}\", crt_file = \"{}\", key_file = \"{}\" }}",
            path("ca.pem"),
            path(&format!("{name}.crt")),
            path(&format!("{name}.key"))
        )
    };
    Login { name: "tls", server, right: tls("client"), wrong: tls("other") }
}

fn logins(world: &World) -> Vec<Login> {
    let (user, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let seed = |key: &KeyPair| format!("nkey = \"{}\"", key.seed().unwrap());
    vec![
        Login {
            name: "token",
            server: "authorization { token: hunter2hunter2 }".to_owned(),
            right: "token = \"hunter2hunter2\"".to_owned(),
            wrong: "token = \"hunter3hunter3\"".to_owned(),
        },
        Login {
            name: "user",
            server: "authorization { user: office365, password: hunter2hunter2 }".to_owned(),
            right: "user = \"office365\"\npassword = \"hunter2hunter2\"".to_owned(),
            wrong: "user = \"office365\"\npassword = \"hunter3hunter3\"".to_owned(),
        },
        Login {
            name: "nkey",
            server: format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public_key()),
            right: seed(&user),
            wrong: seed(&stranger),
        },
        with_accounts(world),
        with_certificates(world),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_log_in_by_all_ways_and_say_when_they_are_refused() {
    if skips() {
        return;
    }
    let simulated = SimulatorConfig {
        backlog: Backlog { blobs_per_feed: 2, ..SimulatorConfig::default().backlog },
        ..SimulatorConfig::default()
    };
    let world = World::of(simulated, "").await;
    let plain = fs::read_to_string(world.path("config.toml")).unwrap();
    for Login { name, server, right, wrong } in logins(&world) {
        let server = NatsServer::configured(&server);
        let say = |login: &str| {
            let url = server.url();
            world.configure(|_| {
                format!(
                    "{plain}\n[sources.m365.state]\ntype = \"nats\"\nservers = [\"{url}\"]\nreplicas = 1\n{login}\n"
                )
            });
        };
        say(&wrong);
        let refused = world.command(&["check"]).output().unwrap();
        let told = format!("{}{}", text(&refused.stdout), text(&refused.stderr));
        assert_eq!(refused.status.code(), Some(1), "{name}: {told}");
        assert!(told.contains("state.servers: cannot connect to NATS at"), "{name}: {told}");
        // A server says nothing of a certificate that it does not take.
        assert!(name == "tls" || told.contains(&format!("check state.{name}")), "{name}: {told}");
        assert!(!told.contains("hunter"), "{name}: {told}");
        say(&right);
        for (arguments, expected) in [
            (&["check"][..], "the first collector that starts makes the bucket"),
            (&["run", "--once"], ""),
            (&["check"], "holds the bucket"),
        ] {
            let output = world.command(arguments).output().unwrap();
            let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{name} {arguments:?}: {told}");
            assert!(told.contains(expected), "{name}: {told}");
        }
    }
}
