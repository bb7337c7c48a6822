//! What PowerShell writes in the place of objects: `ConvertTo-Json` for those that are deeper than its `-Depth`, which
//! is 2 by default, `Export-Csv` for all. It is the text of a custom object (`@{Name=Identity; Value=x}`), or the name
//! of a .NET type (`System.Object[]`).

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Whether a JSON text has a string in it that was once an object or a list.
pub(crate) fn has_flattened(json: &str) -> bool {
    static OBJECT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"@{"));
    static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"System."));
    let is_one = |at: usize| json.get(at + 1..).is_some_and(is_flattened);
    OBJECT.find_iter(json.as_bytes()).any(is_one)
        || TYPE.find_iter(json.as_bytes()).any(|at| is_one(at) && !is_value(json.get(..at).unwrap_or_default()))
}

/// Whether what follows is the value of a parameter or property. Exchange itself writes types there.
fn is_value(before: &str) -> bool {
    before.trim_ascii_end().strip_suffix(':').is_some_and(|name| name.trim_ascii_end().ends_with("Value\""))
}

/// Whether a text begins as one that was once an object or a list.
pub(crate) fn is_flattened(text: &str) -> bool {
    match text.strip_prefix("@{") {
        Some(rest) => is_members(rest),
        None => is_type(text.split(['"', ' ']).next().unwrap_or_default()),
    }
}

/// `Name=`, or nothing. Power Automate's expressions, such as `@{triggerBody()}`, are something else.
fn is_members(rest: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '.' | '-' | '#');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    rest.starts_with('}') || (end > 0 && rest.get(end..).is_some_and(|rest| rest.starts_with('=')))
}

fn is_type(name: &str) -> bool {
    const CONTAINERS: [&str; 2] = ["System.Collections.", "System.Management.Automation.PS"];
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".[]`,".contains(&byte));
    is_name
        && (CONTAINERS.iter().any(|container| name.starts_with(container))
            || name.strip_prefix("System.").is_some_and(|rest| rest.ends_with("[]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_an_object_is_told_from_what_was_text() {
        for text in [
            "@{Name=Identity; Value=x}",
            "@{Name=Identity; Value=x} @{Name=Type; Value=Shared}",
            "@{odata.type=#x}",
            "@{}",
            "System.Object[]",
            "System.Collections.Hashtable",
            "System.Collections.Generic.List`1[System.Object]",
            "System.Management.Automation.PSCustomObject",
        ] {
            assert!(is_flattened(text), "{text}");
            for json in [serde_json::json!({"a": text}), serde_json::json!([{"b": [1, text]}]), text.into()] {
                assert!(has_flattened(&json.to_string()), "{json}");
            }
        }
        for text in [
            "",
            "@",
            "@{",
            "@{triggerBody()?['a']}",
            "@{variables('x')=1}",
            "a @{b=c}",
            "System",
            "System.Net.Mail",
            "System.exe",
            "System. []",
            "Systems.Object[]",
        ] {
            assert!(!has_flattened(&serde_json::json!({"a": text, "b": [text]}).to_string()), "{text}");
        }
        let parameter =
            serde_json::json!([{"Name": "x", "Value": "System.Object[]"}, {"NewValue": "System.Collections.X"}]);
        assert!(!has_flattened(&format!("{parameter:#}")));
    }
}
