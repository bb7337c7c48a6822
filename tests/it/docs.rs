//! What the documentation claims about the source tree.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

/// Names such as `api_behaviour::a_test` or `activity::uri::a_test` between backticks.
fn named_tests(text: &str) -> Vec<(String, String)> {
    let is_name = |word: &str| {
        word.contains("::")
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte))
    };
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| is_name(word))
        .filter_map(|word| word.rsplit_once("::"))
        .map(|(path, name)| (path.to_owned(), name.to_owned()))
        .collect()
}

/// The documents whose rows name tests, and the number of the chapter that their sections have.
const BEHAVIOURS: [(&str, u8); 2] = [("docs/api-behaviour.md", 1), ("docs/graph-behaviour.md", 2)];

/// Whether a test file or module has a function of this name that is a test.
fn has_test(root: &Path, path: &str, name: &str) -> bool {
    let module = path.replace("::", "/");
    // A contract lists its tests, also those of its parts: a macro gives them their attributes.
    let listed = |source: &str| source.contains(&format!("            {name},\n"));
    let above = module.rsplit_once('/').map(|(above, _)| format!("src/{above}.rs"));
    let is_listed_above =
        above.and_then(|file| fs::read_to_string(root.join(file)).ok()).is_some_and(|text| listed(&text));
    let files = [
        format!("tests/it/{module}.rs"),
        format!("tests/process/{module}.rs"),
        format!("src/{module}.rs"),
        format!("src/{module}_tests.rs"),
        format!("src/{module}/mod.rs"),
        format!("src/{module}/tests.rs"),
    ];
    files.iter().filter_map(|file| fs::read_to_string(root.join(file)).ok()).any(|source| {
        source.split_once(&format!("fn {name}(")).is_some_and(|(before, _)| {
            let attribute = before.rsplit("\n\n").next().unwrap_or_default();
            attribute.contains("#[test]") || attribute.contains("#[tokio::test") || listed(&source) || is_listed_above
        })
    })
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (document, _) in BEHAVIOURS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let tests = named_tests(&text);
        assert!(!tests.is_empty(), "{document}");
        let gone: Vec<_> = tests.iter().filter(|(path, name)| !has_test(root, path, name)).collect();
        assert!(gone.is_empty(), "{document}: {gone:#?}");
    }
    assert!(
        !has_test(root, "api_behaviour::listing", "no_such_test")
            && !has_test(root, "no_such_module", "odd_bodies_are_read")
            && !has_test(root, "ledger::contract::coverage", "cursors_never_move_back")
    );
}

#[test]
fn every_numbered_behaviour_has_its_row() {
    for (document, chapter) in BEHAVIOURS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
        let heading = format!("\n## {chapter}.");
        let sections: Vec<_> = text.split(&heading).skip(1).map(|rest| rest.split("\n## ").next().unwrap()).collect();
        assert!(!sections.is_empty(), "{document}");
        for body in sections {
            let section = body.lines().next().unwrap();
            let numbers: Vec<usize> = body
                .lines()
                .filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse().ok())
                .filter(|number| *number < 100)
                .collect();
            assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "section {chapter}.{section}");
            for line in body.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3) {
                let shown_by = line.rsplit(" | ").next().unwrap().trim_end_matches(" |");
                let is_open = shown_by == "—" && line.contains("**Not ");
                assert!(shown_by == "test" || is_open || !named_tests(shown_by).is_empty(), "{line}");
            }
        }
    }
}
