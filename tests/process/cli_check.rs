//! All that `check` says, for each thing that can be wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{fmt::Write, fs, net::TcpListener, process::Command};

use office365_source::{
    content::ContentType,
    simulator::{SimulatedTenant, TenantFault},
};

use crate::{
    support::{http_peer::HttpPeer, pki::Authority, proxy::Proxy},
    world::{World, lines, text},
};

/// What `check` says, with what differs from run to run replaced.
fn said(world: &World, command: &mut Command, code: i32) -> String {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command.output().unwrap();
    let mut found = lines(&output, code);
    for line in &mut found {
        // How full the disk is, is the machine's.
        if let Some((_, disk)) = line.split_once(" sources.m365, disk: ") {
            *line = format!("✓ sources.m365, disk: {}", disk.split(';').next().unwrap());
        }
        // So is why a name is not known.
        for reason in ["Temporary failure in name resolution", "No address associated with hostname"] {
            *line = line.replace(reason, "Name or service not known");
        }
    }
    let found = found.join("\n");
    let host = world.base.trim_start_matches("http://");
    let mut said = found.replace(host, "HOST").replace(host.split(':').next().unwrap(), "HOST");
    let directory = world.path("").display().to_string();
    said = said.replace(&world.tenant.id.to_string(), "TENANT").replace(directory.trim_end_matches('/'), "DIR");
    let words: Vec<_> = said.split(' ').collect();
    let is_count = |index: usize| {
        let next = words.get(index + 1).and_then(|next| next.lines().next()).unwrap_or_default();
        words[index].parse::<u64>().is_ok() && ["MiB", "content", "events", "bytes"].contains(&next)
    };
    let words = words.iter().enumerate().map(|(index, word)| if is_count(index) { "N" } else { word });
    words.collect::<Vec<_>>().join(" ") + "\n"
}

struct Golden(String);

impl Golden {
    fn add(&mut self, title: &str, said: &str) {
        writeln!(self.0, "## {title}\n{said}").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trouble_of_a_tenant_is_told_with_what_to_click() {
    let mut golden = Golden(String::new());
    let faults = [
        None,
        Some(TenantFault::ConsentRevoked),
        Some(TenantFault::ApplicationRemoved),
        Some(TenantFault::ApplicationDisabled),
        Some(TenantFault::SecretExpired),
        Some(TenantFault::BlockedByConditionalAccess),
        Some(TenantFault::ServiceNotEnabled),
        Some(TenantFault::PermissionsRemoved),
        Some(TenantFault::AuditingDisabled),
        Some(TenantFault::Misconfigured),
        Some(TenantFault::ContentTypeForbidden(ContentType::Exchange)),
        Some(TenantFault::Unavailable),
    ];
    for fault in faults {
        let world = World::subscribed().await;
        world.poll(|text| text.replace(", \"DLP.All\"", ""));
        let code = i32::from(fault.is_some());
        if let Some(fault) = fault {
            world.simulator.break_tenant(world.tenant.id, fault);
        }
        golden.add(&format!("{fault:?}"), &said(&world, &mut world.command(&["check"]), code));
    }
    insta::assert_snapshot!("check_tenants", golden.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trouble_of_a_configuration_and_of_the_way_is_told_with_what_to_change() {
    let mut golden = Golden(String::new());
    // Free a moment ago, and hardly taken by another process since.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(SimulatedTenant::contoso()).await;
    let base = &world.base;
    let without = |text: String| text.replace(", \"Audit.Exchange\", \"DLP.All\"", "");
    let secret = "client_secret = { env = \"TEST_CLIENT_SECRET\" }";
    for (title, change, code) in [
        ("A subscription that is missing", Box::new(|text| text) as Box<dyn Fn(String) -> String>, 0),
        ("An unknown key", Box::new(|text| text.replace("domain =", "domian =")), 1),
        ("A secret that is not set", Box::new(|text| text.replace("TEST_CLIENT_SECRET", "TEST_UNSET_SECRET")), 1),
        (
            "A command that fails",
            Box::new(|text| {
                let exec = "client_secret = { exec = [\"/bin/sh\", \"-c\", \"echo no such entry >&2; exit 2\"] }";
                text.replace(secret, exec)
            }),
            1,
        ),
        (
            "A certificate that is missing",
            Box::new(|text| text.replace(secret, "certificate = { crt_file = \"/nowhere/app.crt\" }")),
            1,
        ),
        (
            "A wrong secret",
            Box::new(|text| text.replace(secret, "client_secret = { exec = [\"echo\", \"not-the-right-one\"] }")),
            1,
        ),
        (
            "Nobody at the API",
            Box::new(|text| {
                text.replace(&format!("\nendpoint = \"{base}\""), &format!("\nendpoint = \"http://{closed}\""))
            }),
            1,
        ),
        (
            "A name that nobody has",
            Box::new(|text| {
                text.replace(&format!("auth_endpoint = \"{base}\""), "auth_endpoint = \"https://no-such-name.invalid\"")
            }),
            1,
        ),
        (
            "A proxy that is not there",
            Box::new(|text| {
                let text =
                    text.replace(&format!("auth_endpoint = \"{base}\""), "auth_endpoint = \"https://login.invalid\"");
                format!("{text}\n[proxy]\nhttps = \"http://me:hunter2@{closed}\"\n")
            }),
            1,
        ),
    ] {
        world.poll(|text| change(without(text)));
        let said = said(&world, &mut world.command(&["check"]), code);
        assert!(!said.contains("hunter2") && !said.contains("not-the-right-one"), "{said}");
        golden.add(title, &said.replace(&closed.to_string(), "CLOSED").replace(&closed.port().to_string(), "PORT"));
    }
    insta::assert_snapshot!("check_configurations", golden.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_audit_search_is_not_tried() {
    for (fault, is_tried) in [(None, true), (Some(TenantFault::SecretExpired), false)] {
        let world = World::subscribed().await;
        world.poll(|text| format!("{text}\n[sources.m365.audit_search]\nendpoint = \"{}\"\n", world.base));
        if let Some(fault) = fault {
            world.simulator.break_tenant(world.tenant.id, fault);
        }
        let said = said(&world, &mut world.command(&["check"]), i32::from(fault.is_some()));
        assert_eq!(said.contains("a query of one minute was created, finished and read"), is_tried, "{said}");
        assert_eq!(said.contains(", audit search: "), is_tried, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_alone_is_checked() {
    let world = World::subscribed().await;
    let other = "11111111-2222-4333-8444-555555555555";
    world.poll(|text| text.replace("tenants = [", &format!("tenants = [{{ id = \"{other}\" }}, ")));
    let id = world.tenant.id.to_string();
    assert!(lines(&world.run(&["check"]), 1).iter().any(|line| line.starts_with("✗") && line.contains(other)));
    let found = lines(&world.run(&["check", "--tenant", &id]), 0);
    assert!(found.iter().any(|line| line.contains(&id)) && !found.iter().any(|line| line.contains(other)), "{found:?}");
    let unknown = "22222222-2222-4333-8444-555555555555";
    let found = lines(&world.run(&["check", "--tenant", unknown]), 1);
    assert!(found.last().unwrap().contains(&format!("{unknown} is not one of them")), "{found:?}");
    let output = world.run(&["check", "--tenant", "contoso.com"]);
    assert!(lines(&output, 2).is_empty() && text(&output.stderr).contains("--tenant"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_how_long_steps_took() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let found: Vec<serde_json::Value> = serde_json::from_slice(&world.run(&["check", "--json"]).stdout).unwrap();
    let of = |what: &str| {
        let ends = |finding: &&serde_json::Value| finding["subject"].as_str().unwrap().ends_with(what);
        found.iter().find(ends).unwrap_or_else(|| panic!("{what}: {found:?}")).clone()
    };
    for what in ["connection", "token", "content", "one content blob of Audit.AzureActiveDirectory"] {
        assert!(of(what)["elapsed_ms"].is_u64(), "{what}: {found:?}");
    }
    assert_eq!(of("audit log")["outcome"], "ok");
    assert!(fs::read_dir(world.path("data")).is_err(), "checking leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_tls_on_the_way_is_named() {
    let world = World::subscribed().await;
    let authority = Authority::new("Contoso inspection");
    fs::write(world.path("ca.pem"), authority.pem()).unwrap();
    let peer = HttpPeer::with_tls(&authority.named_server("login.microsoftonline.com"), None).await;
    let proxy = Proxy::to(peer.address).await;
    let configure = |tls: &str| {
        let base = format!("auth_endpoint = \"{}\"", world.base);
        world.poll(|text| {
            let text = text.replace(&base, &format!("auth_endpoint = \"https://login.microsoftonline.com\"\n{tls}"));
            format!("{text}\n[proxy]\nhttps = \"http://{}\"\n", proxy.address)
        });
    };
    let tls_of = |found: &[String]| found.iter().find(|line| line.contains(", TLS: ")).unwrap().clone();
    configure("");
    let line = tls_of(&lines(&world.run(&["check"]), 1));
    assert!(line.starts_with('✗') && line.contains("Contoso inspection"), "{line}");
    assert!(line.contains("has issued it") && line.contains("tls.ca_file"), "{line}");
    configure(&format!("tls = {{ ca_file = {:?} }}", world.path("ca.pem")));
    let line = tls_of(&lines(&world.run(&["check"]), 1));
    assert!(line.starts_with('–') && line.contains("Contoso inspection"), "{line}");
    assert!(line.contains("does not issue Microsoft's: something on the way opens TLS"), "{line}");
    let peer = HttpPeer::with_tls(&authority.named_server("other.example.com"), None).await;
    let elsewhere = Proxy::to(peer.address).await;
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    fs::write(world.path("config.toml"), text.replace(&proxy.address.to_string(), &elsewhere.address.to_string()))
        .unwrap();
    let line = tls_of(&lines(&world.run(&["check"]), 1));
    assert!(line.contains("the certificate is not for login.microsoftonline.com"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_certificates_are_looked_at_without_asking_anybody() {
    let world = World::subscribed().await;
    let secret = "client_secret = { env = \"TEST_CLIENT_SECRET\" }";
    for (from, to, expected) in [
        (
            "mode = \"poll\"",
            "mode = \"poll\"\ntls = { ca_file = \"/nowhere/ca.pem\" }",
            "sources.m365.tls.ca_file: cannot read",
        ),
        (
            secret,
            "client_secret = { vault = { address = \"https://vault.invalid\", path = \"a/b\", field = \"c\", token = \"d\", ca_file = \
             \"/nowhere/ca.pem\" } }",
            "sources.m365.auth.client_secret.vault.ca_file: cannot read",
        ),
        (
            secret,
            "client_secret = { cyberark_ccp = { url = \"https://ccp.invalid\", app_id = \"a\", safe = \"b\", object = \"c\", crt_file = \
             \"/nowhere/a\", key_file = \"/nowhere/b\" } }",
            "sources.m365.auth.client_secret.cyberark_ccp.crt_file: cannot read",
        ),
    ] {
        world.poll(|text| text.replace(from, to));
        let output = world.run(&["validate"]);
        assert!(lines(&output, 1).is_empty());
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_is_waited_for_no_longer_than_asked() {
    let world = World::subscribed().await;
    world.poll(|text| {
        text.replace(
            "client_secret = { env = \"TEST_CLIENT_SECRET\" }",
            "client_secret = { exec = [\"sleep\", \"100000\"] }",
        )
    });
    let found = lines(&world.run(&["check", "--timeout", "1s"]), 1);
    let expected = "✗ configuration: sources.m365.auth: no answer within 1s; look at the secret from what the command sleep prints";
    assert_eq!(found[0], expected, "{found:?}");
    assert_eq!(found.iter().filter(|line| line.starts_with('✗')).count(), 1, "{found:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_lost_is_a_failure() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    for arguments in [&["check"][..], &["check", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = world.command(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    }
}
