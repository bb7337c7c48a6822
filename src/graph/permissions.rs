//! What a token of Microsoft Graph may search.

use crate::{content::ContentType, entra::AccessToken};

/// The permission to search everything.
const ALL: &str = "AuditLogsQuery.Read.All";

/// The permissions to search the records of some services, and the content types that hold only those services' records.
///
/// Source: Microsoft's page "Create auditLogQuery", section Permissions.
const OF_CONTENT_TYPES: [(ContentType, &[&str]); 3] = [
    (ContentType::AzureActiveDirectory, &["AuditLogsQuery-Entra.Read.All"]),
    (ContentType::Exchange, &["AuditLogsQuery-Exchange.Read.All"]),
    // It has the records of both.
    (ContentType::SharePoint, &["AuditLogsQuery-SharePoint.Read.All", "AuditLogsQuery-OneDrive.Read.All"]),
];

/// What an application may search.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchPermissions {
    /// The application permissions of the token; `None` if it does not say.
    roles: Option<Vec<String>>,
}

impl SearchPermissions {
    /// Those of a token.
    pub(super) fn of(token: &AccessToken) -> Self {
        Self { roles: token.roles().map(<[String]>::to_vec) }
    }

    /// Whether a search finds the records of a content type, as far as the token says.
    pub fn show(&self, content_type: ContentType) -> bool {
        let Some(roles) = &self.roles else { return true };
        let has = |role: &str| roles.iter().any(|held| held == role);
        let of = OF_CONTENT_TYPES.iter().find(|(known, _)| *known == content_type);
        has(ALL) || of.is_some_and(|(_, needed)| needed.iter().all(|role| has(role)))
    }

    /// Whether a search finds nothing at all, as far as the token says.
    pub(super) fn are_missing(&self) -> bool {
        self.roles.as_ref().is_some_and(|roles| !roles.iter().any(|role| role.starts_with("AuditLogsQuery")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(roles: &[&str]) -> Vec<ContentType> {
        let permissions = SearchPermissions { roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()) };
        ContentType::ALL.into_iter().filter(|content_type| permissions.show(*content_type)).collect()
    }

    #[test]
    fn a_permission_shows_the_content_types_whose_every_record_it_covers() {
        assert_eq!(shown(&[ALL]), ContentType::ALL);
        assert_eq!(shown(&["AuditLogsQuery-Exchange.Read.All"]), [ContentType::Exchange]);
        assert_eq!(shown(&["AuditLogsQuery-SharePoint.Read.All"]), []);
        let both = ["AuditLogsQuery-SharePoint.Read.All", "AuditLogsQuery-OneDrive.Read.All"];
        assert_eq!(shown(&both), [ContentType::SharePoint]);
        assert_eq!(shown(&["AuditLog.Read.All"]), []);
        assert!(SearchPermissions { roles: Some(vec!["AuditLog.Read.All".to_owned()]) }.are_missing());
        assert!(SearchPermissions::default().show(ContentType::Dlp), "a token that says nothing may have all");
        assert!(!SearchPermissions::default().are_missing());
    }
}
