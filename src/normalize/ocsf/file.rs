//! File Hosting Activity, and `file` objects (`objects/file.json`).

use std::borrow::Cow;

use super::mapping::{Mapping, list, set_enum};
use crate::normalize::{
    audit::{parse_integer, scalar_text},
    json::{Node, Object},
};

/// Where records of one kind have what a file has.
#[derive(Clone, Copy, Debug)]
struct Members {
    names: &'static [&'static str],
    folder: &'static str,
    extensions: &'static [&'static str],
}

/// The file that something was done with.
const SOURCE: Members = Members {
    names: &["SourceFileName", "ItemName", "FileName"],
    folder: "SourceRelativeUrl",
    extensions: &["SourceFileExtension", "FileExtension"],
};

/// The file that came of it.
const DESTINATION: Members = Members {
    names: &["DestinationFileName"],
    folder: "DestinationRelativeUrl",
    extensions: &["DestinationFileExtension"],
};

pub(super) fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    let file = hosted(mapping)?;
    mapping.set("file", Node::Object(file));
    if let Some(name) = name(mapping, &DESTINATION) {
        let mut result = Object::new();
        place(mapping, &mut result, name, &DESTINATION);
        kind(mapping, &mut result);
        mapping.set("file_result", Node::Object(result));
    }
    let permissions = mapping.take_texts("SiteSharingPermission");
    mapping.set_some("access_list", list(permissions.into_iter().map(Node::Text)));
    Some(())
}

/// The file of a record; `None`, with nothing taken, if it has no name.
pub(super) fn hosted<'a>(mapping: &mut Mapping<'a>) -> Option<Object<'a>> {
    let object = mapping.object_id();
    let name = name(mapping, &SOURCE).or_else(|| object.as_ref().and_then(last_part))?;
    let mut file = Object::new();
    place(mapping, &mut file, name, &SOURCE);
    kind(mapping, &mut file);
    if let Some(object) = object {
        if object.contains("://") {
            mapping.record.set_moved("ObjectId");
            file.set("uri", Node::Text(object));
        } else if object.contains(['\\', '/']) {
            mapping.record.set_moved("ObjectId");
            file.set("path", Node::Text(object));
        }
    }
    file.set_some("uid", mapping.take("ListItemUniqueId"));
    file.set_some("size", mapping.take_integer(&["FileSizeBytes", "FileSize"]));
    let hashes = [("Sha1", SHA1), ("Sha256", SHA256)].map(|(from, algorithm)| {
        let hash = mapping.record.text(from).filter(|hash| is_hash(hash))?;
        mapping.record.set_moved(from);
        Some(fingerprint(hash, algorithm))
    });
    file.set_some("hashes", list(hashes.into_iter().flatten()));
    Some(file)
}

/// A file of a name, which is all that a file needs.
pub(super) fn named<'a>(name: impl Into<Cow<'a, str>>) -> Object<'a> {
    let mut file = Object::new();
    file.set("name", Node::text(name));
    set_enum(&mut file, "type_id", "type", (1, "Regular File"));
    file
}

/// A file that Defender examined: `FileData`, or one of `AttachmentData`.
pub(super) fn examined<'a>(data: &Node<'a>) -> Option<Object<'a>> {
    let text = |name: &str| data.get(name).and_then(scalar_text);
    let path = text("FilePath");
    let name = text("FileName").or_else(|| path.as_ref().and_then(last_part))?;
    let mut file = named(name);
    if let Some(path) = path {
        file.set(if path.contains("://") { "uri" } else { "path" }, Node::Text(path));
    }
    file.set_some("uid", text("DocumentId").map(Node::Text));
    file.set_some("size", text("FileSize").and_then(|size| parse_integer(&size)).map(Node::Integer));
    let hash = text("SHA256").filter(|hash| is_hash(hash));
    file.set_some("hashes", list(hash.map(|hash| fingerprint(hash, SHA256))));
    Some(file)
}

/// `algorithm_id` and `algorithm` of `objects/fingerprint.json`.
const SHA1: (u16, &str) = (2, "SHA-1");
const SHA256: (u16, &str) = (3, "SHA-256");

fn fingerprint<'a>(value: Cow<'a, str>, algorithm: (u16, &'static str)) -> Node<'a> {
    let mut hash = Object::new();
    set_enum(&mut hash, "algorithm_id", "algorithm", algorithm);
    hash.set("value", Node::Text(value));
    Node::Object(hash)
}

fn is_hash(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn name<'a>(mapping: &mut Mapping<'a>, members: &Members) -> Option<Cow<'a, str>> {
    members.names.iter().find_map(|name| mapping.take_text(name))
}

/// Name, path and extension.
fn place<'a>(mapping: &mut Mapping<'a>, file: &mut Object<'a>, name: Cow<'a, str>, members: &Members) {
    if let Some(folder) = mapping.take_text(members.folder) {
        file.set("path", Node::text(format!("{}/{name}", folder.trim_end_matches('/'))));
        file.set("parent_folder", Node::Text(folder));
    }
    file.set("name", Node::Text(name));
    file.set_some("ext", mapping.take_first(members.extensions));
}

/// Whether it is a file or a folder. `ItemType` stays: it knows pages, lists and sites, too.
fn kind(mapping: &mut Mapping<'_>, file: &mut Object<'_>) {
    let is_folder = mapping.record.text("ItemType").is_some_and(|kind| kind.eq_ignore_ascii_case("Folder"))
        || mapping.operation.starts_with("Folder");
    set_enum(file, "type_id", "type", if is_folder { (2, "Folder") } else { (1, "Regular File") });
}

/// The last part of a URL or path.
pub(super) fn last_part<'a>(path: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    let rest = path.trim_end_matches(['/', '\\']);
    let start = rest.rfind(['/', '\\'])? + 1;
    let last = rest.get(start..).filter(|last| !last.is_empty() && !last.ends_with(':'))?;
    Some(match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.get(start..start + last.len())?),
        Cow::Owned(_) => Cow::Owned(last.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_path_is_the_name() {
        for (path, expected) in [
            ("https://contoso.example/a/b.txt", Some("b.txt")),
            ("https://contoso.example/a/b/", Some("b")),
            (r"\\files\hr\offer 17.docx", Some("offer 17.docx")),
            (r"C:\", None),
            ("name", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(last_part(&Cow::Borrowed(path)).as_deref(), expected, "{path}");
            assert_eq!(last_part(&Cow::Owned(path.to_owned())).as_deref(), expected, "{path}");
        }
    }
}
