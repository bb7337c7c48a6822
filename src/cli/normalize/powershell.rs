//! The text that PowerShell makes of an object: `@{Name=Identity; Value=x}`.

/// The members in such a text: what stands between `; `, name and value. Values are not quoted, so that one which holds `; x=`
/// itself looks like two; a member of an object within, which has braces of its own, does not.
pub(super) fn members(text: &str) -> Vec<(&str, &str)> {
    let Some(inner) = text.trim().strip_prefix("@{") else { return Vec::new() };
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let mut starts = vec![0];
    starts.extend(inner.match_indices("; ").map(|(at, mark)| at + mark.len()).filter(|at| {
        let before = inner.get(..*at).unwrap_or_default();
        let open = before.matches("@{").count();
        open <= before.matches('}').count() && inner.get(*at..).is_some_and(begins_member)
    }));
    let ends = starts.iter().skip(1).map(|start| start - "; ".len()).chain([inner.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| inner.get(*start..end)?.split_once('=')).collect()
}

fn begins_member(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@.#".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_names_and_values() {
        assert_eq!(
            members("@{CreationTime=2026-03-04T05:06:07; Id=x; Text=a; b c; Item=@{Id=1; Name=y}; Empty=; Url=u?a=b}"),
            [
                ("CreationTime", "2026-03-04T05:06:07"),
                ("Id", "x"),
                ("Text", "a; b c"),
                ("Item", "@{Id=1; Name=y}"),
                ("Empty", ""),
                ("Url", "u?a=b"),
            ]
        );
        for nothing in ["", "@{", "@{}", "System.Object[]", "@{x}"] {
            assert_eq!(members(nothing), [], "{nothing}");
        }
    }
}
