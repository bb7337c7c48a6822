//! `normalize` as a user meets it: what goes in, what comes out, and what is said of the rest.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Output, Stdio},
    thread,
};

use serde_json::{Value, json};

const NOW: &str = "2026-08-01T12:00:00Z";

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
    command.arg("normalize").args(args).env_remove("OFFICE365_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program on this standard input.
fn normalize(args: &[&str], input: &[u8]) -> Output {
    let mut child = program(args).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // It may have ended before it has read everything.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The `Id` or `event.id` of each event.
fn ids(output: &Output) -> Vec<String> {
    let id = |event: &Value| event.get("Id").or(event.pointer("/event/id")).unwrap().as_str().unwrap().to_owned();
    events(output).iter().map(id).collect()
}

#[track_caller]
fn assert_good(output: &Output) {
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

fn record(id: &str) -> Value {
    json!({
        "Id": id,
        "CreationTime": "2026-07-31T23:59:59",
        "RecordType": 15,
        "Operation": "UserLoggedIn",
        "OrganizationId": "6a98b5da-7b3c-4486-bb0b-66a048c6da62",
        "UserId": "ada@contoso.com",
        "Workload": "AzureActiveDirectory",
        "Text": "a, \"b\";\nc",
    })
}

/// A record as a field of CSV.
fn cell(record: &Value) -> String {
    format!("\"{}\"", record.to_string().replace('"', "\"\""))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn records_become_events_of_the_schema_that_is_asked_for() {
    let input = record("1").to_string();
    let ecs = normalize(&["--now", "2026-08-01T14:00:00+02:00"], input.as_bytes());
    assert_good(&ecs);
    let event = &events(&ecs)[0];
    for (pointer, expected) in [
        ("/@timestamp", "2026-07-31T23:59:59.000Z"),
        ("/event/id", "1"),
        ("/event/code", "AzureActiveDirectoryStsLogon"),
        ("/event/ingested", "2026-08-01T12:00:00.000Z"),
        ("/user/name", "ada"),
    ] {
        assert_eq!(event.pointer(pointer).and_then(Value::as_str), Some(expected), "{pointer} of {event}");
    }
    assert_eq!(event.pointer("/event/original"), None);

    let raw = normalize(&["--schema", "raw"], input.as_bytes());
    assert_good(&raw);
    assert_eq!(text(&raw.stdout), format!("{input}\n"));

    let options = ["--schema", "ecs", "--tenant-domain", "contoso.com", "--keep-original"];
    let event = &events(&normalize(&options, input.as_bytes()))[0];
    assert_eq!(event.pointer("/event/original"), Some(&Value::from(input)));
    assert_eq!(event.pointer("/organization/name"), Some(&Value::from("contoso.com")));

    assert_good(&normalize(&["--schema", "ocsf"], record("1").to_string().as_bytes()));
}

#[test]
fn every_form_of_the_same_records_gives_the_same_events() {
    let records = [record("1"), record("2")];
    let expected = normalize(&["--now", NOW], format!("{}\n{}\n", records[0], records[1]).as_bytes());
    assert_good(&expected);
    assert_eq!(ids(&expected), ["1", "2"]);

    let list = Value::from(records.to_vec());
    let wrapped = records.clone().map(|record| json!({"Operations": "x", "AuditData": record.to_string()}));
    let graph = records.clone().map(|record| json!({"id": "g", "auditData": record}));
    let export = format!(
        "RecordId,AuditData,UserId\r\nr1,{},u\r\nr2,{},u\r\n",
        cell(&records[0]),
        cell(&records[1]).replace(",\"\"", ",\n\"\""),
    );
    let forms = [
        ("an array", list.to_string()),
        ("a pretty-printed array with a mark", format!("\u{feff}{list:#}\r\n")),
        ("arrays after another", format!("[{}]\n[{}]", records[0], records[1])),
        ("pretty-printed objects", format!("{:#}\r\n{:#}", records[0], records[1])),
        ("ConvertTo-Json", format!("{:#}", Value::from(wrapped.to_vec()))),
        ("lines with AuditData", format!("{}\n{}", wrapped[0], wrapped[1])),
        ("Graph", format!("{:#}", json!({"@odata.context": "c", "value": graph}))),
        ("an export", export.clone()),
        ("an export with a mark", format!("\u{feff}{export}")),
        ("Export-Csv", format!("#TYPE System.Object\r\n{export}")),
    ];
    for (form, input) in forms {
        for bytes in [input.clone().into_bytes(), utf16(&format!("\u{feff}{}", input.trim_start_matches('\u{feff}')))] {
            let output = normalize(&["--now", NOW], &bytes);
            assert_good(&output);
            assert_eq!(text(&output.stdout), text(&expected.stdout), "{form}");
        }
    }
}

/// Records in the ways in which other programs keep them.
#[test]
fn records_of_other_programs_are_found() {
    let records = [record("1"), record("2")];
    let list = |held: fn(&Value) -> Value| Value::from(records.iter().map(held).collect::<Vec<_>>());
    let lines = |held: fn(&Value) -> Value| {
        records.iter().map(|record| held(record).to_string()).collect::<Vec<_>>().join("\n")
    };
    let encoded = |record: &Value| Value::from(record.to_string());
    for (form, input) in [
        ("another page", json!({"tenant": "t", "Results": records, "Count": 2}).to_string()),
        ("Azure Monitor", json!({"records": list(|record| json!({"time": "t", "properties": record}))}).to_string()),
        (
            "Elasticsearch",
            json!({"hits": {"hits": list(|record| json!({"_source": {"event": {"original": record.to_string()}}}))}})
                .to_string(),
        ),
        ("Splunk", lines(|record| json!({"preview": false, "result": {"_raw": record.to_string()}}))),
        ("Logstash", lines(|record| json!({"message": record.to_string(), "host": "h"}))),
        ("lines of strings", lines(encoded)),
        ("an array of strings", list(encoded).to_string()),
        ("AuditData encoded twice", lines(|record| json!({"AuditData": json!(record.to_string()).to_string()}))),
        (
            "an export encoded twice",
            format!("AuditData\n{}\n{}\n", cell(&encoded(&records[0])), cell(&encoded(&records[1]))),
        ),
        ("another header", format!("Date,AuditDetails\nd,{}\nd,{}\n", cell(&records[0]), cell(&records[1]))),
    ] {
        for bytes in [input.clone().into_bytes(), utf16(&format!("\u{feff}{input}"))] {
            let output = normalize(&["--schema", "raw"], &bytes);
            assert_good(&output);
            assert_eq!(events(&output), records, "{form}");
        }
    }
}

#[test]
fn files_are_read_one_after_another_and_one_that_is_missing_costs_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("blob.json"), format!("[{},{}]", record("1"), record("2"))).unwrap();
    fs::write(path("export.csv"), format!("AuditData\n{}\n", cell(&record("4")))).unwrap();
    let (blob, export, missing) = (path("blob.json"), path("export.csv"), path("missing.json"));
    let input = record("3").to_string();

    let output = normalize(&[&blob, "-", &export], input.as_bytes());
    assert_good(&output);
    assert_eq!(ids(&output), ["1", "2", "3", "4"]);

    let directory = directory.path().to_str().unwrap();
    let output = normalize(&[&missing, directory, &export], b"");
    assert_eq!((output.status.code(), ids(&output)), (Some(1), vec!["4".to_owned()]));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with(&format!("{missing}: ")) && stderr.contains(&format!("\n{directory}: ")), "{stderr}");
}

/// Asserts which events come out, and what the standard error says, line by line: how each line begins.
#[track_caller]
fn assert_bad(input: &str, good: &[&str], said: &[&str]) {
    let output = normalize(&["--schema", "raw"], input.as_bytes());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(ids(&output), good, "{stderr}");
    assert_eq!(stderr.lines().count(), said.len(), "{stderr}");
    for (line, said) in stderr.lines().zip(said) {
        assert!(line.starts_with(said), "{said:?} is expected and not {line:?}");
    }
    assert!(!stderr.contains("SECRET") && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn what_is_no_record_is_told_by_its_number_and_never_shown() {
    let good = |id: &str| record(id).to_string();
    assert_bad(
        &format!("{}\nSECRET\n\n{{\"Id\":\"SECRET\n{{\"SECRET\":SECRET}}\n{}\n[7]\n", good("1"), good("2")),
        &["1", "2"],
        &[
            "standard input: line 2: neither a JSON object",
            "standard input: line 4: the record has a line break within a string",
            "standard input: line 5: the record is not valid JSON: ",
            "standard input: element 1: the record is a number, not an object",
            "6 records, 4 bad",
        ],
    );
    assert_bad(
        &format!("[{},null,{{\"a\":SECRET}},\n{},{{\"AuditData\":\"SECRET", good("1"), good("2")),
        &["1", "2"],
        &[
            "standard input: element 2: the record is null, not an object",
            "standard input: element 3: the record is not valid JSON: ",
            "standard input: element 5: the input ends in the middle of the record",
            "5 records, 3 bad",
        ],
    );
    assert_bad(
        &format!(
            "Id,AuditData\n1,{}\nSECRET\n3,\"SECRET\n\"\n4,\n5,{}\n6,\"{{\"\"AuditData\"\":7}}\"",
            cell(&record("1")),
            cell(&record("5"))
        ),
        &["1", "5"],
        &[
            "standard input: line 3: the row has no column AuditData",
            "standard input: line 4: AuditData: the record is ",
            "standard input: line 6: neither an audit record nor an object that holds one",
            "standard input: line 8: AuditData is neither an object nor a string",
            "6 records, 4 bad",
        ],
    );
    assert_bad("\u{1f}\u{8b}SECRET", &[], &["standard input: line 1: neither", "1 records, 1 bad"]);
}

#[test]
fn an_object_that_is_no_record_is_no_event() {
    let good = record("1").to_string();
    assert_bad(
        &format!(
            "{{\"SECRET\":1}}\n{good}\n{{\"error\":{{\"message\":\"SECRET\"}}}}\n{{\"value\":[{good},{{\"id\":\"SECRET\"}}]}}\n{{}}\n"
        ),
        &["1", "1"],
        &[
            "standard input: line 1: neither an audit record nor an object that holds one",
            "standard input: line 3: neither an audit record",
            "standard input: element 2: neither an audit record",
            "standard input: line 5: neither an audit record",
            "6 records, 4 bad",
        ],
    );
    assert_bad(
        &format!("{{\"message\":{}}}", json!(format!("[{good},{{\"SECRET\":}}]"))),
        &["1"],
        &["standard input: line 1: element 2: the record is not valid JSON", "2 records, 1 bad"],
    );
}

#[test]
fn records_of_graph_without_audit_data_have_what_stands_beside_it() {
    let page = json!({"value": [
        {"id": "g-1", "createdDateTime": "2026-03-04T05:06:07Z", "auditLogRecordType": "azureActiveDirectoryStsLogon",
         "operation": "UserLoggedIn", "service": "AzureActiveDirectory", "userId": "7d5b1d7e-0000-4000-8000-000000000001",
         "userPrincipalName": "ada@contoso.com", "clientIp": "198.51.100.9", "auditData": null},
        {"id": "g-2", "auditData": null},
    ]});
    let output = normalize(&[], page.to_string().as_bytes());
    assert_eq!((output.status.code(), ids(&output)), (Some(1), vec!["g-1".to_owned()]));
    assert!(text(&output.stderr).starts_with("standard input: element 2: AuditData holds no record"));
    let event = &events(&output)[0];
    for (pointer, expected) in [
        ("/@timestamp", "2026-03-04T05:06:07.000Z"),
        ("/event/action", "UserLoggedIn"),
        ("/event/code", "AzureActiveDirectoryStsLogon"),
        ("/user/name", "ada"),
        ("/source/ip", "198.51.100.9"),
    ] {
        assert_eq!(event.pointer(pointer).and_then(Value::as_str), Some(expected), "{pointer} of {event}");
    }
}

#[test]
fn a_flattened_export_is_told_for_each_record_and_passes() {
    let mut flattened = record("1");
    flattened["Parameters"] = json!("@{Name=Identity; Value=x}");
    let input = json!([flattened, record("2"), {"AuditData": flattened, "RecordType": "x"}]);
    for schema in ["ecs", "ocsf", "raw"] {
        let output = normalize(&["--schema", schema], input.to_string().as_bytes());
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), events(&output).len(), stderr.lines().count()), (Some(0), 3, 2), "{stderr}");
        assert!(
            stderr.lines().all(|line| line.contains("the export is damaged") && line.ends_with("-Depth 100")),
            "{stderr}"
        );
        assert!(stderr.contains("element 1: ") && stderr.contains("element 3: "), "{stderr}");
    }
    let event = &events(&normalize(&[], input.to_string().as_bytes()))[0];
    assert!(event["error"]["message"].to_string().contains("Parameters has lost its structure"), "{event}");
}

#[test]
fn names_in_another_case_and_other_times_give_the_same_event() {
    let original = record("1").to_string();
    let expected = normalize(&["--now", NOW], original.as_bytes());
    let lower: String =
        record("1").as_object().unwrap().keys().filter(|name| *name != "Text").fold(original.clone(), |text, name| {
            text.replace(&format!("\"{name}\":"), &format!("\"{}\":", name.to_lowercase()))
        });
    let time = "2026-07-31T23:59:59";
    let inputs = [
        lower.clone(),
        original.replace("\"Id\"", "\"ID\"").replace("\"UserId\"", "\"USERID\""),
        original.replace(&format!("\"{time}\""), "1785542399"),
        lower.replace(time, "/Date(1785542399000)/"),
        original.replace(time, "7/31/2026 11:59:59 PM"),
        original.replace(time, "Fri, 31 Jul 2026 23:59:59 GMT"),
    ];
    assert!(inputs.iter().all(|input| *input != original));
    let output = normalize(&["--now", NOW], inputs.join("\n").as_bytes());
    assert_good(&output);
    for (event, input) in events(&output).iter().zip(&inputs) {
        assert_eq!(event, &events(&expected)[0], "{input}");
    }
}

#[test]
fn nothing_in_nothing_out() {
    for input in [
        "",
        " \n\n",
        "\u{feff}",
        "[]",
        "[ ]\n[]",
        "RecordId,AuditData\r\n",
        r#"{"value":[]}"#,
        r#"{"hits":{"hits":[]}}"#,
    ] {
        let output = normalize(&[], input.as_bytes());
        assert_good(&output);
        assert_eq!(text(&output.stdout), "", "{input:?}");
    }
}

#[test]
fn damaged_fields_are_told_when_asked_for_and_are_no_failure() {
    let input = r#"{"Id":"1","CreationTime":"soon","Operation":"o","a\u001b[2J":1,"a\u001b[2J":2,"b":"\ud800"}"#;
    let output = normalize(&[], input.as_bytes());
    // An event whose time is not the record's is always reported.
    let untimely = "1 of 1 records have no time that can be read; in ECS and OCSF their events have the time of now\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), untimely.to_owned()));
    let output = normalize(&["--show-damage"], input.as_bytes());
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), ids(&output)), (Some(0), vec!["1".to_owned()]), "{stderr}");
    assert!(stderr.contains("standard input: line 1: ") && stderr.contains("CreationTime is no time"), "{stderr}");
    assert!(stderr.contains("halves of surrogate pairs were replaced") && !stderr.contains("soon"), "{stderr}");
    assert!(!stderr.contains('\u{1b}'), "a name of the input does not command the terminal: {stderr:?}");
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    for (args, said) in [
        (["--now", "today"], "2026-08-01T12:00:00Z"),
        (["--tenant-domain", "no domain"], "contoso.com"),
        (["--schema", "cef"], "ecs"),
    ] {
        let output = normalize(&args, b"{}");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn a_reader_that_had_enough_ends_it_quietly() {
    let mut child = program(&[]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{}\n", record("1"));
    // More than pipes hold: it ends when the program does.
    let writer = thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("UserLoggedIn"), "{first}");
    assert_good(&child.wait_with_output().unwrap());
    writer.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_takes_nothing_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = program(&[]).stdout(full).spawn().unwrap();
    child.stdin.take().unwrap().write_all(record("1").to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Cannot write to the standard output: "), "{}", text(&output.stderr));
}

#[test]
fn an_event_comes_out_before_the_next_record_goes_in() {
    let mut child = program(&["--schema", "raw"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for id in ["1", "2"] {
        writeln!(stdin, "{}", record(id)).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{}\n", record(id)));
    }
    drop(stdin);
    assert_good(&child.wait_with_output().unwrap());
}

/// The most memory the process ever had resident, in bytes.
#[cfg(target_os = "linux")]
fn high_water_mark(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Feeds `head`, 100 MB of `part` and `tail`, and returns the most memory that took, and how many events came.
#[cfg(target_os = "linux")]
fn stream(head: &str, part: &str, tail: &str) -> (u64, usize, Output) {
    let mut child = program(&["--schema", "raw"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let (mut buffer, mut lines) = (vec![0; 1 << 20], 0);
        loop {
            match stdout.read(&mut buffer).unwrap() {
                0 => return lines,
                length => lines += text(&buffer[..length]).matches('\n').count(),
            }
        }
    });
    // Otherwise complaints without a reader would stop it.
    let mut stderr = child.stderr.take().unwrap();
    let complaints = thread::spawn(move || {
        let mut all = Vec::new();
        stderr.read_to_end(&mut all).unwrap();
        all
    });
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(head.as_bytes()).unwrap();
    for _ in 0..100_000_000 / part.len() {
        stdin.write_all(part.as_bytes()).unwrap();
    }
    // All but what a pipe holds has gone through.
    let memory = high_water_mark(&child);
    stdin.write_all(tail.as_bytes()).unwrap();
    drop(stdin);
    let output = Output { stderr: complaints.join().unwrap(), ..child.wait_with_output().unwrap() };
    (memory, reader.join().unwrap(), output)
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_input() {
    let record =
        json!({"Id": "1", "CreationTime": "2026-03-04T05:06:07", "Operation": "o", "Filler": "x".repeat(50_000)})
            .to_string();
    let small = 64 << 20;

    for head in
        [r#"{"value":["#, r#"{"a":{"b":[1]},"c":"Operation","Results" : ["#, r#"{"hits":{"total":{"value":1},"hits":["#]
    {
        let closing = "}".repeat(head.matches('{').count() - head.matches('}').count());
        let (memory, lines, output) = stream(head, &format!("{record},\n"), &format!("{record}],\"z\":[]{closing}"));
        assert_good(&output);
        assert_eq!(lines, 100_000_000 / (record.len() + 2) + 1);
        assert!(memory < small, "{head} took {memory} bytes");
    }

    // A quotation mark too many, after which all is one row.
    let head = format!("Id,AuditData\n1,{}\n2,\"{{}}\n", cell(&json!({"CreationTime": "t", "Operation": "o"})));
    let (memory, lines, output) = stream(&head, &format!("3,{}\n", "x".repeat(50_000)), "");
    assert_eq!((lines, output.status.code()), (1, Some(1)), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("line 3: the record has more than 33554432 bytes"));
    // The row is held up to the limit of 32 MiB.
    assert!(memory < small + (32 << 20), "a row without end took {memory} bytes");
}
