//! Power BI and Fabric.

use super::{
    fields::Field as F,
    rule::{Family, copied},
};

pub(super) const FAMILY: Family = Family {
    name: "Power BI and Fabric",
    codes: &["PowerBIAudit"],
    steps: &[
        // What reports are to Power BI, files are to SharePoint; `file.*` is kept for files.
        copied(F::URL_ORIGINAL, &["ReportUrl", "DashboardUrl"]).step(),
        copied(F::GROUP_ID, &["WorkspaceId"]).step(),
        copied(F::GROUP_NAME, &["WorkSpaceName", "WorkspaceName"]).step(),
    ],
};
