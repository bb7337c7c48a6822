//! Microsoft's file "Azure IP Ranges and Service Tags": which networks its services send from.
//!
//! The webhook's requests come from the tag `M365ManagementActivityApiWebhook` (Microsoft's troubleshooting page).

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;
use snafu::{OptionExt, ResultExt, Snafu, ensure};

use crate::printable::printable;

/// The file has some 4 MB.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// How alike names are that are worth suggesting (Jaro-Winkler), and how many of them are.
const ALIKE: f64 = 0.85;
const MOST_SUGGESTIONS: usize = 3;

/// Why the networks of service tags cannot be read.
#[derive(Debug, Snafu)]
pub enum ServiceTagsError {
    /// The file cannot be read.
    #[snafu(display("cannot read the file of service tags {}: {source}", path.display()))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is not the file that Microsoft publishes.
    #[snafu(display(
        "this is not Microsoft's file of service tags ({problem}). Download the JSON file \"Azure IP Ranges and Service Tags\" \
         from {DOWNLOAD}"
    ))]
    NotServiceTags {
        /// What is wrong with it.
        problem: String,
    },
    /// It does not have a tag.
    #[snafu(display(
        "the file of service tags has no tag {wanted:?}{}. Check the name; if it is right, the file is old or another cloud's: \
         download it from {DOWNLOAD}",
        did_you_mean(near)
    ))]
    MissingTag {
        /// The name that was asked for.
        wanted: String,
        /// Names that are like it, the most alike first.
        near: Vec<String>,
    },
    /// A tag has no networks.
    #[snafu(display(
        "the service tag {tag:?} has no networks in this file, so that nobody would be let in. Ask for another tag, or download \
         the file again from {DOWNLOAD}"
    ))]
    EmptyTag {
        /// Its name.
        tag: String,
    },
    /// A network cannot be read.
    #[snafu(display(
        "the service tag {tag:?} has {prefix:?} in addressPrefixes, which is no network such as 192.0.2.0/29. Download the file \
         again from {DOWNLOAD}"
    ))]
    BadPrefix {
        /// The tag.
        tag: String,
        /// The network, as it is written.
        prefix: String,
    },
}

/// Where the file is.
const DOWNLOAD: &str = "https://www.microsoft.com/download/details.aspx?id=56519 (public cloud) or \
                        https://www.microsoft.com/download/details.aspx?id=57063 (US government)";

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; similar are {}", near.join(", ")) }
}

#[derive(Deserialize)]
struct Document {
    values: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default)]
    address_prefixes: Vec<String>,
}

/// Reads the networks of the `wanted` tags from the file that Microsoft publishes. Blocks while it reads.
///
/// # Errors
///
/// When the file cannot be read or has more than 64 MiB, and as [`parse_service_tags`].
pub fn read_service_tags(path: &Path, wanted: &[String]) -> Result<Vec<IpNet>, ServiceTagsError> {
    let mut json = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut json))
        .context(UnreadableSnafu { path })?;
    ensure!(json.len() as u64 <= LARGEST_FILE, NotServiceTagsSnafu { problem: "it is larger than 64 MiB" });
    parse_service_tags(&json, wanted)
}

/// The networks of the `wanted` tags, by their names in any case.
///
/// # Errors
///
/// When the text is not such a file, a tag is missing or empty, or one of its networks cannot be read.
pub fn parse_service_tags(json: &[u8], wanted: &[String]) -> Result<Vec<IpNet>, ServiceTagsError> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let document: Document = serde_json::from_slice(json)
        .map_err(|error| ServiceTagsError::NotServiceTags { problem: printable(&error.to_string(), 200) })?;
    let mut networks = Vec::new();
    for wanted in wanted {
        let tag = document
            .values
            .iter()
            .find(|tag| tag.name.eq_ignore_ascii_case(wanted))
            .with_context(|| MissingTagSnafu { wanted, near: near(wanted, &document.values) })?;
        ensure!(!tag.properties.address_prefixes.is_empty(), EmptyTagSnafu { tag: &tag.name });
        for prefix in &tag.properties.address_prefixes {
            let network: IpNet = prefix
                .parse()
                .ok()
                .with_context(|| BadPrefixSnafu { tag: &tag.name, prefix: printable(prefix, 80) })?;
            networks.push(network.trunc());
        }
    }
    Ok(networks)
}

fn near(wanted: &str, tags: &[Tag]) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut near: Vec<(f64, &str)> = tags
        .iter()
        // A bound on the work for a file that is not Microsoft's.
        .filter(|tag| tag.name.len() <= 100 && wanted.len() <= 100)
        .map(|tag| (strsim::jaro_winkler(&wanted, &tag.name.to_lowercase()), tag.name.as_str()))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|(one, _), (two, _)| two.total_cmp(one));
    near.into_iter().take(MOST_SUGGESTIONS).map(|(_, name)| printable(name, 100)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE: &str = r#"{
        "changeNumber": 7,
        "cloud": "Public",
        "values": [
            {
                "name": "M365ManagementActivityApiWebhook",
                "id": "M365ManagementActivityApiWebhook",
                "properties": {
                    "changeNumber": 1, "region": "", "regionId": 0, "platform": "Azure", "systemService": "",
                    "addressPrefixes": ["192.0.2.8/29", "2001:db8:603:4::/64"],
                    "networkFeatures": null
                }
            },
            { "name": "M365ManagementActivityApi", "id": "x", "properties": { "addressPrefixes": ["198.51.100.7/24"] } },
            { "name": "Storage.WestEurope", "id": "x", "properties": { "addressPrefixes": [] } },
            { "name": "Odd", "properties": { "addressPrefixes": ["192.0.2.0/24", "192.0.2.0/33"] } },
            { "name": "Bare" }
        ]
    }"#;

    fn networks_of(json: &str, wanted: &[&str]) -> Result<Vec<String>, String> {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        parse_service_tags(json.as_bytes(), &wanted)
            .map(|networks| networks.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_networks_of_the_wanted_tags_are_read() {
        assert_eq!(
            networks_of(FILE, &["m365managementactivityapiwebhook", "M365ManagementActivityApi"]).unwrap(),
            ["192.0.2.8/29", "2001:db8:603:4::/64", "198.51.100.0/24"]
        );
        assert_eq!(networks_of(&format!("\u{feff}{FILE}"), &[]).unwrap(), [] as [&str; 0]);
    }

    #[test]
    fn an_error_says_what_to_do() {
        for (json, wanted, hints) in [
            (
                FILE,
                "M365ManagementActivityApiWebHooks",
                &["similar are M365ManagementActivityApiWebhook", "id=56519"][..],
            ),
            (FILE, "Nothing.Like.It", &["no tag \"Nothing.Like.It\".", "id=57063"]),
            (FILE, "Odd", &["\"192.0.2.0/33\"", "\"Odd\""]),
            (FILE, "Storage.WestEurope", &["nobody would be let in"]),
            (FILE, "Bare", &["nobody would be let in"]),
            ("<html>", "x", &["not Microsoft's file", "id=56519"]),
            ("[]", "x", &["not Microsoft's file"]),
            (r#"{"values":[{"name":7}]}"#, "x", &["not Microsoft's file", "line 1"]),
            ("", "x", &["not Microsoft's file"]),
        ] {
            let error = networks_of(json, &[wanted]).unwrap_err();
            for hint in hints {
                assert!(error.contains(hint), "{wanted}: {error}");
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ServiceTags_Public.json");
        let wanted = ["M365ManagementActivityApi".to_owned()];
        assert!(read_service_tags(&path, &wanted).unwrap_err().to_string().contains("ServiceTags_Public.json"));
        fs::write(&path, FILE).unwrap();
        assert_eq!(read_service_tags(&path, &wanted).unwrap().len(), 1);
    }
}
