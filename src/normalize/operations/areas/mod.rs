//! The operations of each part of Microsoft 365.
#![allow(clippy::enum_glob_use, reason = "rows of a table are read by their words")]

mod cmdlets;
mod directory;
mod engage;
mod entra;
mod exchange;
mod fabric;
mod forms;
mod intelligence;
mod power_platform;
mod project;
mod purview;
mod security;
mod sharepoint;
mod sharing;
mod sites;
mod teams;

use super::vocabulary::{Area, Subject};

/// All areas. Of several of a record type, the first says what an unknown operation is about.
pub(crate) static AREAS: &[Area] = &[
    sharepoint::FILES,
    sharepoint::PAGES,
    sharing::SHARING,
    sites::SITES,
    exchange::MAILBOXES,
    exchange::AGGREGATED,
    exchange::SEARCHES,
    exchange::MAIL,
    cmdlets::CMDLETS,
    entra::SIGN_INS,
    entra::USERS,
    directory::APPLICATIONS,
    directory::DIRECTORY,
    directory::PROVISIONING,
    teams::TEAMS,
    teams::SKYPE,
    project::SHIFTS,
    project::PLANNER,
    project::TO_DO,
    project::PROJECT,
    engage::ENGAGE,
    engage::GOALS,
    engage::INSIGHTS,
    engage::VIVA,
    forms::FORMS,
    forms::SWAY,
    forms::STREAM,
    forms::OTHERS,
    fabric::FABRIC,
    power_platform::APPS,
    power_platform::ADMINISTRATION,
    power_platform::DYNAMICS,
    purview::EDISCOVERY,
    purview::LABELS,
    purview::MAIL_LABELS,
    purview::LOSSES,
    purview::DEVICES,
    purview::COMPLIANCE,
    security::ALERTS,
    security::THREATS,
    security::MAIL_THREATS,
    security::FILE_THREATS,
    security::SIMULATIONS,
    security::DEFENDER,
    security::SENTINEL,
    intelligence::CONVERSATIONS,
    intelligence::AGENTS,
];
