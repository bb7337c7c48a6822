//! Viva Engage, which was Yammer.

use super::{
    fields::Field as F,
    rule::{Family, copied, moved},
};

pub(super) const FAMILY: Family = Family {
    name: "Viva Engage (Yammer)",
    codes: &["Yammer"],
    steps: &[
        copied(F::USER_EMAIL, &["ActorUserId"]).step(),
        copied(F::USER_ID, &["ActorYammerUserId"]).step(),
        moved(F::FILE_INODE, &["FileId"]).step(),
        moved(F::FILE_NAME, &["FileName"]).step(),
        moved(F::GROUP_NAME, &["GroupName"]).step(),
        copied(F::USER_TARGET_ID, &["TargetUserId"]).step(),
        moved(F::DESTINATION_USER_EMAIL, &["TargetUserId"]).step(),
        moved(F::DESTINATION_USER_ID, &["TargetYammerUserId"]).step(),
    ],
};
