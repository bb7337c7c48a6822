//! What an operation does by the verb of its name, for operations without a row.
//!
//! Names have three forms: words (`Add member to role.`), cmdlets (`New-InboxRule`), and camel case, which either begins with the verb
//! (`CreateReport`) or has it behind what it is about (`FileDeleted`, `GroupCreation`).

use super::{
    names::words,
    vocabulary::{Act, Area, Deed, Subject},
    words::{INSTEAD, NOUNS, VERBS},
};

/// Names are shorter. A longer text is not a name, and looking through its words would take long.
const LONGEST: usize = 256;

/// What an operation without a row is, by its words; `None` if they say nothing, or not what was done and no area what it is about.
pub(super) fn guess(area: Option<&Area>, operation: &str) -> Option<Deed> {
    if operation.len() > LONGEST {
        return None;
    }
    if area.is_none()
        && let Some(deed) = sign_in(operation)
    {
        return Some(deed);
    }
    let act = act(operation);
    let subject = match area {
        Some(area) => Some(named(area.nouns, operation).unwrap_or(area.subject)),
        None => about(operation),
    };
    match (act, subject) {
        (None, None) => None,
        (None, Some(subject)) => {
            area.is_none_or(|area| area.act == Act::Other).then_some(Deed { subject, act: Act::Other })
        }
        (Some(act), subject) => Some(refine(operation, Deed { subject: subject.unwrap_or(Subject::Content), act })),
    }
    .filter(|deed| *deed != Deed { subject: Subject::Content, act: Act::Other })
}

/// Names of sign-ins and sign-outs, by their letters; also behind who signs in.
const SIGN_INS: &[&str] = &["login", "logon", "signin", "loggedin", "loggedon", "signedin"];
const SIGN_OUTS: &[&str] = &["logout", "logoff", "signout", "loggedout", "loggedoff", "signedout"];

/// A sign-in or sign-out of an unknown service.
fn sign_in(operation: &str) -> Option<Deed> {
    let plain: String = operation.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_one = |known: &&str| plain.ends_with(*known);
    let deed = |subject, act| Deed { subject, act };
    if SIGN_INS.iter().any(&is_one) {
        Some(deed(Subject::SignIn, Act::Start))
    } else if SIGN_OUTS.iter().any(|known| is_one(known) || plain.strip_suffix("user") == Some(known)) {
        Some(deed(Subject::SignIn, Act::End))
    } else {
        None
    }
}

/// What was done.
fn act(operation: &str) -> Option<Act> {
    let first = words(operation).next()?;
    let instead = words(operation).skip(1).find_map(|word| of(INSTEAD, word));
    // `BillingPolicyCreate` ends with its verb; of `Group_AddMember` it begins a part. In the middle of camel case it is an adjective.
    let last = last_participle(operation);
    let parts = || operation.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|part| words(part).next());
    instead
        .or(last)
        .or_else(|| leading(first))
        .or_else(|| words(operation).rev().find_map(within))
        .or_else(|| words(operation).next_back().and_then(leading))
        .or_else(|| parts().find_map(leading))
}

/// Words behind the verb of a name that say how much was done.
const QUALIFIERS: &[&str] = &["extended", "partial", "partially", "full", "fully"];

/// What the participle at the end of a name in camel case says. What it begins with may be a noun: `PostDeleted`, `ViewCreated`.
fn last_participle(operation: &str) -> Option<Act> {
    let is_camel = operation.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_qualifier = |word: &&str| QUALIFIERS.iter().any(|known| known.eq_ignore_ascii_case(word));
    let last = words(operation).rev().find(|word| !is_qualifier(word)).filter(|_| is_camel)?;
    let is_participle = last.to_ascii_lowercase().ends_with("ed");
    if is_participle { within(last) } else { None }
}

/// What a verb says that a name begins with, also as `Deletes` and `Deleting`.
fn leading(word: &str) -> Option<Act> {
    let is_form = |known: &str| {
        let stem = known.strip_suffix('e').unwrap_or(known);
        let rest = |stem: &str| {
            word.get(..stem.len()).filter(|start| start.eq_ignore_ascii_case(stem)).and(word.get(stem.len()..))
        };
        rest(known).is_some_and(|rest| rest.is_empty() || rest.eq_ignore_ascii_case("s"))
            || rest(stem).is_some_and(|rest| rest.eq_ignore_ascii_case("ing"))
    };
    VERBS.iter().find(|verb| verb.first.iter().any(|known| is_form(known))).map(|verb| verb.act)
}

fn within(word: &str) -> Option<Act> {
    VERBS.iter().find(|verb| verb.within.iter().any(|known| known.eq_ignore_ascii_case(word))).map(|verb| verb.act)
}

/// What a name is about: what it begins with, else the last thing that it names (`Remove member from role`).
fn about(operation: &str) -> Option<Subject> {
    let noun = |word| of(NOUNS, word);
    let first = words(operation).next()?;
    noun(first).or_else(|| words(operation).rev().find_map(noun))
}

/// The first of some nouns that is in a name.
fn named(nouns: &[(&str, Subject)], operation: &str) -> Option<Subject> {
    nouns.iter().find(|(noun, _)| words(operation).any(|word| is(noun, word))).map(|(_, subject)| *subject)
}

fn of<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| is(known, word)).map(|(_, value)| *value)
}

/// Whether a word is a known one, in any case, or its plural.
fn is(known: &str, word: &str) -> bool {
    word.eq_ignore_ascii_case(known)
        || word.strip_suffix(['s', 'S']).is_some_and(|word| word.eq_ignore_ascii_case(known))
}

/// What adding and removing are where members and permissions are added and removed.
fn refine(operation: &str, deed: Deed) -> Deed {
    let has = |known: &[&str]| words(operation).any(|word| known.iter().any(|known| is(known, word)));
    let act = match (deed.subject, deed.act) {
        (Subject::Group, Act::Create) if has(&["member", "owner"]) => Act::AddMember,
        (Subject::Group, Act::Delete) if has(&["member", "owner"]) => Act::RemoveMember,
        (_, Act::Create) if has(&["assignment", "member", "owner", "permission", "permissions"]) => Act::Grant,
        (_, Act::Delete) if has(&["assignment", "member", "owner", "permission", "permissions"]) => Act::Revoke,
        (_, act) => act,
    };
    // `FileSyncUploaded…` is what the program did that synchronises.
    let act = match act {
        Act::Upload if has(&["sync"]) => Act::SyncUpload,
        Act::Download if has(&["sync"]) => Act::SyncDownload,
        act => act,
    };
    Deed { act, ..deed }
}
