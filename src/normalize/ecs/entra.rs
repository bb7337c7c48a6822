//! Microsoft Entra: sign-ins and the directory.

use std::borrow::Cow;

use super::{
    common::texts_of,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Repeated},
};

pub(super) const FAMILY: Family = Family {
    name: "Microsoft Entra",
    codes: &["AzureActiveDirectory", "AzureActiveDirectoryAccountLogon", "AzureActiveDirectoryStsLogon"],
    steps: &[
        copied(F::USER_TARGET_ID, &["ObjectId"]).only(&["AzureActiveDirectory"]).step(),
        function(
            changed,
            &[
                fills(
                    F::GROUP_ID,
                    "`ModifiedProperties.Group_ObjectID`, the new value, else the old one",
                    "`AzureActiveDirectory`",
                ),
                fills(F::GROUP_NAME, "`ModifiedProperties.Group_DisplayName`, the same", "`AzureActiveDirectory`"),
                fills(
                    F::USER_TARGET_ROLES,
                    "`ModifiedProperties.Role_DisplayName`, the same",
                    "`AzureActiveDirectory`",
                ),
            ],
        ),
    ],
};

fn changed(mapping: &mut Mapping<'_>) {
    if mapping.code != "AzureActiveDirectory" {
        return;
    }
    for (field, property) in [
        (F::GROUP_ID, "ModifiedProperties.Group_ObjectID"),
        (F::GROUP_NAME, "ModifiedProperties.Group_DisplayName"),
        (F::USER_TARGET_ROLES, "ModifiedProperties.Role_DisplayName"),
    ] {
        let property = mapping.record.node(property);
        let value = ["NewValue", "OldValue"].iter().find_map(|name| unquoted(property?.get(name)?));
        match value {
            Some(value) if field == F::USER_TARGET_ROLES => mapping.fields.append(field, [value]),
            value => mapping.fields.set_default(field, value.map(Node::text)),
        }
    }
}

/// Entra writes values as JSON: `"\"Sales\""`, `"[\"Sales\"]"`; the first counts.
pub(in crate::normalize) fn unquoted(node: &Node<'_>) -> Option<String> {
    let text = scalar_text(node)?;
    match Node::parse_embedded(&text, Repeated::Last) {
        Ok(parsed) => texts_of(&parsed?).into_iter().next().map(Cow::into_owned),
        Err(_) => Some(text.trim().to_owned()),
    }
}
