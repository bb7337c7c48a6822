//! The table of modules in docs/architecture.md is what the imports say, and no module uses one that uses it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The module of a file below `src/`, or of a path below `crate::`.
fn module(path: &str) -> String {
    let path = path.replace("::", "/");
    let is_webhook = path.starts_with("discovery/webhook");
    if is_webhook { "discovery/webhook".to_owned() } else { path.split('/').next().unwrap().replace(".rs", "") }
}

/// The paths of a use tree, below `above`.
fn expand(above: &str, tree: &str, paths: &mut Vec<String>) {
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = tree[begin..at].trim();
                match item.split_once('{') {
                    Some((path, list)) => expand(&format!("{above}{path}"), list.trim_end_matches('}'), paths),
                    None => paths.push(format!("{above}{item}")),
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

/// The paths behind each `crate::` of a source, without its tests and comments.
fn imports(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for rest in code.join("\n").split("crate::").skip(1) {
        let tree = rest.split(';').next().unwrap();
        // A path within code ends where no path goes on.
        let is_path = |c: char| c.is_alphanumeric() || "_:{},*\n ".contains(c);
        expand("", &tree[..tree.find(|c| !is_path(c)).unwrap_or(tree.len())], &mut found);
    }
    found.retain(|path| path.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

fn walk(directory: &Path, root: &Path, arrows: &mut Arrows) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            walk(&path, root, arrows);
        } else if !name.ends_with("tests.rs") && !name.contains("/tests/") {
            let from = module(&name);
            let to = imports(&fs::read_to_string(&path).unwrap()).into_iter().map(|path| module(&path));
            arrows.entry(from.clone()).or_default().extend(to.filter(|to| *to != from));
        }
    }
}

/// Module by module, what the table allows; and the modules of the vocabulary, which all may use without saying so.
fn table(text: &str) -> (Arrows, BTreeSet<String>) {
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| Module |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let quoted = |cell: &str| {
        cell.split('`').skip(1).step_by(2).map(|name| module(name.trim_end_matches('/'))).collect::<Vec<_>>()
    };
    let (mut arrows, mut vocabulary) = (Arrows::new(), BTreeSet::new());
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        let name = quoted(cells[0]).remove(0);
        if cells[2] == "–" {
            vocabulary.insert(name.clone());
        }
        arrows.insert(name, quoted(cells[2]).into_iter().collect());
    }
    (arrows, vocabulary)
}

#[test]
fn modules_use_what_the_table_says_and_lie_in_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arrows = Arrows::new();
    walk(&root.join("src"), &root.join("src"), &mut arrows);
    arrows.retain(|module, _| !["lib", "main"].contains(&module.as_str()));
    let (table, vocabulary) = table(&fs::read_to_string(root.join("docs/architecture.md")).unwrap());
    for (module, uses) in &mut arrows {
        uses.retain(|used| !vocabulary.contains(used));
        assert_eq!(table.get(module), Some(&*uses), "the row of {module}");
    }
    assert_eq!(table.keys().collect::<Vec<_>>(), arrows.keys().collect::<Vec<_>>());
    while !arrows.is_empty() {
        let free: Vec<_> =
            arrows.iter().filter(|(_, uses)| uses.is_empty()).map(|(module, _)| module.clone()).collect();
        assert!(!free.is_empty(), "a circle: {arrows:#?}");
        arrows.retain(|module, _| !free.contains(module));
        for uses in arrows.values_mut() {
            uses.retain(|used| !free.contains(used));
        }
    }
}
