//! Microsoft Teams.

use super::{
    common::texts_of,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, fills, function, moved},
};
use crate::normalize::{json::Node, placeholder::is_placeholder};

pub(super) const FAMILY: Family = Family {
    name: "Microsoft Teams",
    codes: &["MicrosoftTeams"],
    steps: &[
        moved(F::GROUP_NAME, &["TeamName"]).step(),
        function(members, &[fills(F::RELATED_USER, "`Members[].UPN`, before all others", "")]),
        function(deleted_user, &[fills(F::USER_TARGET_ID, "`ObjectId`", "`Operation` is `Delete user.`")]),
    ],
};

fn members(mapping: &mut Mapping<'_>) {
    let Some(Node::List(members)) = mapping.record.node("Members") else { return };
    let names: Vec<_> = members
        .iter()
        .filter_map(|member| member.get("UPN"))
        .flat_map(texts_of)
        .filter(|name| !is_placeholder(name))
        .collect();
    mapping.fields.append(F::RELATED_USER, names);
}

fn deleted_user(mapping: &mut Mapping<'_>) {
    if mapping.fields.text(F::EVENT_ACTION).is_some_and(|action| action == "deleted-user-account") {
        let target = mapping.record.keyword("ObjectId");
        mapping.fields.set_some(F::USER_TARGET_ID, target);
    }
}
