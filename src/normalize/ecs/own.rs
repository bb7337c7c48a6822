//! Fields that ECS does not define.

use super::fields::Field as F;

/// Each field of [`Field::ALL`](F::ALL) that the version of ECS does not define, with where it is from.
pub const OWN: &[(F, &str)] = &[
    (F::APPLICATION_ID, "ours, beside Elastic's `application.name`"),
    (F::APPLICATION_NAME, "Elastic's integration"),
    (F::META_SRC_HOST, "ours, in every schema but OCSF"),
    (F::SESSION_ID, "Elastic's integration"),
    (F::TOKEN_ID, "Elastic's integration"),
    (F::O365_LABEL_ACTION, "ours"),
    (F::O365_LABEL_ID, "ours"),
    (F::O365_LABEL_JUSTIFICATION, "ours"),
    (F::O365_LABEL_NAME, "ours"),
    (F::O365_LABEL_OLD_ID, "ours"),
];
