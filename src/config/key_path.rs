//! How errors write the way to a key: `sources.m365.tenants[0].id`.

/// `base.key`, where `key` is itself a path.
pub(super) fn join(base: &str, key: &str) -> String {
    match (base, key) {
        ("", key) => key.to_owned(),
        (base, "") => base.to_owned(),
        (base, key) => format!("{base}.{key}"),
    }
}

/// `base.name`, where `name` is one key as the user wrote it, quoted where TOML would want it quoted.
pub(super) fn child(base: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain { join(base, name) } else { join(base, &format!("{name:?}")) }
}

/// `base[index]`.
pub(super) fn item(base: &str, index: usize) -> String {
    format!("{base}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_the_file() {
        assert_eq!(item(&child(&child("sources", "m365"), "tenants"), 0), "sources.m365.tenants[0]");
        assert_eq!(child("sources", "my source"), r#"sources."my source""#);
        assert_eq!(join("", "data_dir"), "data_dir");
    }
}
