//! The words that say what an operation is: what it was done to, and what was done.

/// What it was done to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Subject {
    /// A file, or a version of it.
    File,
    Folder,
    /// Who may open a file, folder or site: links, invitations, inheritance.
    Sharing,
    /// A request for access.
    AccessRequest,
    Page,
    /// A list, its items and comments.
    List,
    Site,
    /// A setting, a policy, or the shape of something: what administrators configure.
    Setting,
    User,
    Password,
    /// What a user proves to be themselves with beside a password.
    StrongAuthentication,
    Group,
    /// A role, its definition and who has it.
    Role,
    /// An application or service principal of the directory, its permissions and credentials.
    Application,
    Device,
    /// A machine, and what is plugged into it.
    Host,
    /// The directory itself: domains, partners, the company, its policies.
    Directory,
    SignIn,
    Session,
    /// A message, or another item of a mailbox.
    MailItem,
    /// A mailbox: its rules, folders, permissions and options.
    Mailbox,
    /// A message or a chat of Teams or Viva Engage.
    Message,
    Channel,
    Meeting,
    /// A report, dashboard, data set or workspace.
    Report,
    Form,
    /// A task, plan, shift or project.
    Task,
    Video,
    /// An app, flow, bot, agent or plug-in.
    App,
    /// A search of content, its results and exports.
    Search,
    /// A case of an investigation, and what belongs to it.
    Case,
    /// What data loss prevention watches.
    DataLoss,
    Alert,
    Threat,
    /// A conversation with an AI.
    Conversation,
    /// Anything else that a service keeps.
    Content,
}

/// What was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Create,
    /// Opened, read, listed, used.
    Access,
    Update,
    Delete,
    Upload,
    Download,
    Rename,
    Copy,
    Move,
    Restore,
    Preview,
    Lock,
    Unlock,
    Share,
    Unshare,
    /// Brought up by a program that synchronises.
    SyncUpload,
    /// Brought down by one.
    SyncDownload,
    /// Searched.
    Query,
    Import,
    Export,
    Enable,
    Disable,
    Register,
    Unregister,
    AddMember,
    RemoveMember,
    Grant,
    Revoke,
    Reset,
    /// Started, or signed in.
    Start,
    /// Ended, or signed out.
    End,
    /// Allowed, approved, released.
    Allow,
    /// Refused, blocked, failed for lack of permission.
    Deny,
    Detect,
    Send,
    /// Asked of an AI.
    Ask,
    /// Asked for, and not done yet.
    Request,
    /// None of these.
    Other,
}

/// What was done to what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Deed {
    pub(crate) subject: Subject,
    pub(crate) act: Act,
}

/// Operations of which the same was done to the same.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) deed: Deed,
    /// `Operation`.
    pub(crate) operations: &'static [&'static str],
}

pub(super) const fn row(subject: Subject, act: Act, operations: &'static [&'static str]) -> Row {
    Row { deed: Deed { subject, act }, operations }
}

/// The operations of a part of Microsoft 365.
#[derive(Debug)]
pub(crate) struct Area {
    /// A display name.
    pub(crate) name: &'static str,
    /// Where Microsoft documents them.
    pub(crate) source: &'static str,
    /// Names of record types.
    pub(crate) record_types: &'static [&'static str],
    /// What operations are about whose names say nothing of it.
    pub(crate) subject: Subject,
    /// What operations do whose names say nothing of it.
    pub(crate) act: Act,
    /// Words of names that say what an operation is about. The first of the table that is in the name counts.
    pub(crate) nouns: &'static [(&'static str, Subject)],
    /// Whether names mean the same in records of other types. `Create` of a mailbox does not.
    pub(crate) shared: bool,
    pub(crate) rows: &'static [Row],
}

/// An area without rows, for the rest of a literal.
pub(super) const AREA: Area = Area {
    name: "",
    source: "",
    record_types: &[],
    subject: Subject::Content,
    act: Act::Other,
    nouns: &[],
    shared: true,
    rows: &[],
};
