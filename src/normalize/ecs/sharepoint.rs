//! SharePoint and OneDrive.

use super::{
    fields::Field as F,
    rule::{Family, moved},
};

const FILES: &[&str] = &["SharePointFileOperation", "SharePointSharingOperation"];

pub(super) const FAMILY: Family = Family {
    name: "SharePoint and OneDrive",
    codes: &[
        "SharePoint",
        "SharePointFileOperation",
        "OneDrive",
        "SharePointSharingOperation",
        "SharePointListOperation",
        "SharePointCommentOperation",
    ],
    steps: &[
        moved(F::URL_ORIGINAL, &["ObjectId"]).only(FILES).step(),
        moved(F::FILE_DIRECTORY, &["SourceRelativeUrl"]).only(FILES).step(),
        moved(F::FILE_NAME, &["SourceFileName"]).only(FILES).step(),
        moved(F::FILE_EXTENSION, &["SourceFileExtension"]).only(FILES).step(),
    ],
};
