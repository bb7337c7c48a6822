//! How the action that a record describes ended. One table for all schemas.

use std::borrow::Cow;

use super::{
    audit::{Audit, parse_integer},
    json::Node,
    placeholder::is_placeholder,
};

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It worked, or a part of it did.
    Success,
    /// It did not work, or was not allowed.
    Failure,
    /// The record does not say, or says it in unknown words.
    Unknown,
}

/// Record types of sign-ins: of the security token service, and the older ones.
pub(crate) const SIGN_INS: &[&str] = &["AzureActiveDirectoryStsLogon", "AzureActiveDirectoryAccountLogon"];

/// The operation of a sign-in that got through, as Entra sees it.
const SIGNED_IN: &str = "UserLoggedIn";

/// Codes of a sign-in that was not refused but interrupted, and went on: `ErrorNumber`, and its name in `LogonError`.
///
/// Source: "Microsoft Entra authentication and authorization error codes" (learn.microsoft.com/entra/identity-platform/
/// reference-error-codes), those that it describes as an interrupt that is an expected part of signing in, and that needs no second
/// factor. Those that ask for one (50072, 50074, 50076, 50079) are no success: "the user did not pass the MFA challenge".
const STEPS: &[(i64, &str)] = &[
    (16000, "SelectUserAccount"),
    (50097, "DeviceAuthenticationRequired"),
    (50125, "PasswordResetRegistrationRequiredInterrupt"),
    (50140, "KmsiInterrupt"),
    (50168, "ChromeBrowserSsoInterruptRequired"),
    (50199, "CmsiInterrupt"),
];

/// Stands for a code that is a word of failure.
const FAILED: i64 = -1;

/// What a record says of how it ended.
#[derive(Debug)]
struct Facts {
    operation_failed: bool,
    is_success: Option<bool>,
    /// `ResultStatus`; `None` if there is none.
    status: Option<Outcome>,
    sign_in: Option<SignIn>,
}

/// What the error of a sign-in says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SignIn {
    NoError,
    /// One of [`STEPS`], and Entra says that the user got in.
    Step,
    Error,
    /// A code that is no number.
    Unreadable,
}

/// One row: the first that fits decides.
#[derive(Debug)]
struct Rule {
    /// The condition, for display.
    when: &'static str,
    fits: fn(&Facts) -> bool,
    outcome: Outcome,
}

/// All rows.
const RULES: &[Rule] = &[
    Rule {
        when: "`Operation` begins with `Failed`, or ends in `Failed` or `Failure`, as `UserLoginFailed` does",
        fits: |facts| facts.operation_failed,
        outcome: Outcome::Failure,
    },
    Rule { when: "`IsSuccess` is false", fits: |facts| facts.is_success == Some(false), outcome: Outcome::Failure },
    Rule {
        when: "`ResultStatus` is a word or number of failure",
        fits: |facts| facts.status == Some(Outcome::Failure),
        outcome: Outcome::Failure,
    },
    Rule {
        when: "a sign-in is `UserLoggedIn`, and `ErrorNumber` or else `LogonError` is a step of a sign-in that went on: 16000 \
               `SelectUserAccount`, 50097 `DeviceAuthenticationRequired`, 50125 `PasswordResetRegistrationRequiredInterrupt`, 50140 \
               `KmsiInterrupt`, 50168 `ChromeBrowserSsoInterruptRequired`, 50199 `CmsiInterrupt`",
        fits: |facts| facts.sign_in == Some(SignIn::Step),
        outcome: Outcome::Success,
    },
    Rule {
        when: "a sign-in has a `LogonError`, or an `ErrorNumber` or `LoginStatus` other than 0",
        fits: |facts| facts.sign_in == Some(SignIn::Error),
        outcome: Outcome::Failure,
    },
    Rule {
        when: "a sign-in has an `ErrorNumber` or `LoginStatus` that is no number",
        fits: |facts| facts.sign_in == Some(SignIn::Unreadable),
        outcome: Outcome::Unknown,
    },
    Rule {
        when: "`ResultStatus` is a word or number of success",
        fits: |facts| facts.status == Some(Outcome::Success),
        outcome: Outcome::Success,
    },
    Rule { when: "`IsSuccess` is true", fits: |facts| facts.is_success == Some(true), outcome: Outcome::Success },
    Rule {
        when: "there is no `ResultStatus`: the workloads that write none record what was done, and Elastic's content expects it so",
        fits: |facts| facts.status.is_none(),
        outcome: Outcome::Success,
    },
    Rule { when: "anything else", fits: |_| true, outcome: Outcome::Unknown },
];

/// Words of success, without case, blanks and punctuation.
const SUCCESSES: &[&str] = &[
    "success",
    "succeeded",
    "successful",
    "successfully",
    "partialsuccess",
    "partiallysucceeded",
    "partiallysuccessful",
    "true",
    "ok",
    "completed",
    "completedsuccessfully",
    "allowed",
    "passed",
    "created",
    "accepted",
    "nocontent",
    "noerror",
];

/// Words that a word of failure is, begins with, or ends in, without case, blanks and punctuation.
const FAILURES: &[&str] = &[
    "fail",
    "failed",
    "failure",
    "false",
    "error",
    "errors",
    "exception",
    "denied",
    "deny",
    "block",
    "reject",
    "insufficient",
    "nopermission",
    "notsuccess",
    "unauthorized",
    "unauthorised",
    "notauthorized",
    "unauthenticated",
    "forbidden",
    "blocked",
    "rejected",
    "refused",
    "unsuccessful",
    "notsuccessful",
    "notallowed",
    "disallowed",
    "notpermitted",
    "notfound",
    "badrequest",
    "badgateway",
    "invalid",
    "conflict",
    "throttled",
    "toomanyrequests",
    "unavailable",
    "timeout",
    "timedout",
    "aborted",
    "faulted",
];

/// The rows for the documentation: the condition, and `event.outcome`.
pub fn outcomes() -> impl Iterator<Item = (&'static str, &'static str)> {
    RULES.iter().map(|rule| (rule.when, rule.outcome.as_str()))
}

/// The words of `ResultStatus` for the documentation: those of success, and those that a word of failure is, begins with or ends in.
pub fn outcome_words() -> [&'static [&'static str]; 2] {
    [SUCCESSES, FAILURES]
}

/// How the action that a record describes ended.
pub(crate) fn outcome(record: &mut Audit<'_>, code: &str, operation: &str) -> Outcome {
    let facts = Facts::of(record, code, operation);
    RULES.iter().find(|rule| (rule.fits)(&facts)).map_or(Outcome::Unknown, |rule| rule.outcome)
}

/// Why a sign-in failed, in Entra's word for it; some records write that there is none.
pub(crate) fn logon_error<'a>(record: &mut Audit<'a>) -> Option<Cow<'a, str>> {
    const NONE: &[&str] = &["success", "noerror", "0"];
    let says_none = |text: &str| is_placeholder(text) || NONE.iter().any(|none| none.eq_ignore_ascii_case(text.trim()));
    record.text("LogonError").filter(|text| !says_none(text))
}

impl Outcome {
    /// The value of `event.outcome` in ECS.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

impl Facts {
    fn of(record: &mut Audit<'_>, code: &str, operation: &str) -> Self {
        let operation = operation.trim_end_matches(['.', ' ']);
        let is_success = record.text("IsSuccess").and_then(|text| match status(&text) {
            Outcome::Success => Some(true),
            Outcome::Failure => Some(false),
            Outcome::Unknown => None,
        });
        // Mailboxes and others have sign-ins, too.
        let is_sign_in =
            SIGN_INS.contains(&code) || operation.eq_ignore_ascii_case(SIGNED_IN) || logon_error(record).is_some();
        Self {
            operation_failed: ["Failed", "Failure"].iter().any(|word| ends_with(operation, word))
                || operation.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("Failed")),
            is_success,
            status: result_status(record),
            sign_in: is_sign_in.then(|| SignIn::of(record, operation)),
        }
    }
}

/// What `ResultStatus` says. What is no text and no number says nothing that is known.
fn result_status(record: &mut Audit<'_>) -> Option<Outcome> {
    match record.node("ResultStatus")? {
        Node::List(_) => record.texts("ResultStatus").first().map(|text| status(text)),
        Node::Object(_) => Some(Outcome::Unknown),
        _ => record.text("ResultStatus").map(|text| status(&text)),
    }
}

impl SignIn {
    fn of(record: &mut Audit<'_>, operation: &str) -> Self {
        let error = logon_error(record);
        let codes: Vec<Option<i64>> = ["ErrorNumber", "LoginStatus"]
            .into_iter()
            .filter_map(|name| record.text(name))
            .filter(|text| !is_placeholder(text) && status(text) != Outcome::Success)
            .map(|text| parse_integer(&text).or_else(|| (status(&text) == Outcome::Failure).then_some(FAILED)))
            .collect();
        // Some write the number where its name belongs.
        let number = error.as_ref().and_then(|error| parse_integer(error));
        let number = codes.iter().copied().flatten().find(|code| *code != 0).or(number);
        let is_step = match (number, &error) {
            (Some(number), _) => STEPS.iter().any(|(step, _)| *step == number),
            (None, Some(error)) => STEPS.iter().any(|(_, step)| step.eq_ignore_ascii_case(error.trim())),
            (None, None) => false,
        };
        match (number, error) {
            _ if is_step && operation.eq_ignore_ascii_case(SIGNED_IN) => Self::Step,
            (Some(_), _) | (_, Some(_)) => Self::Error,
            _ if codes.contains(&None) => Self::Unreadable,
            _ => Self::NoError,
        }
    }
}

/// What a `ResultStatus` says.
fn status(text: &str) -> Outcome {
    if let Some(number) = parse_integer(text).or_else(|| http_status(text)) {
        return match number {
            // Planner and its kin: 1 is success, 2 failure, 3 a lack of authorisation ("Planner schema").
            1 | 100..=399 => Outcome::Success,
            2 | 3 | 400..=599 => Outcome::Failure,
            _ => Outcome::Unknown,
        };
    }
    let word: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if SUCCESSES.contains(&word.as_str()) {
        Outcome::Success
    } else if FAILURES.iter().any(|known| word.starts_with(known) || word.ends_with(known)) {
        Outcome::Failure
    } else {
        Outcome::Unknown
    }
}

/// The number in `403 Forbidden`, `HTTP 403` and the like.
fn http_status(text: &str) -> Option<i64> {
    let mut words =
        text.split(|c: char| c.is_whitespace() || matches!(c, ':' | '-' | ',')).filter(|word| !word.is_empty());
    let first = words.next()?;
    let number =
        if first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http")) { words.next()? } else { first };
    (number.len() == 3).then(|| number.parse().ok()).flatten()
}

fn ends_with(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::JsonObject;

    const STS: &str = "AzureActiveDirectoryStsLogon";

    fn of(code: &str, operation: &str, record: &str) -> Outcome {
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        outcome(&mut Audit::new(&record), code, operation)
    }

    #[test]
    fn words_and_numbers_of_result_status() {
        for (expected, values) in [
            (
                Outcome::Success,
                &[
                    "1",
                    "\"1\"",
                    "1.0",
                    "200",
                    "\"204\"",
                    "\"302 Found\"",
                    "true",
                    "\"TRUE\"",
                    "\"Succeeded\"",
                    "\" success \"",
                    "\"PartiallySucceeded\"",
                    "\"Partial Success\"",
                    "\"partially_succeeded\"",
                    "\"Completed\"",
                    "\"OK\"",
                    "\"No Error\"",
                    "null",
                    "\"\"",
                    "\"<null>\"",
                ][..],
            ),
            (
                Outcome::Failure,
                &[
                    "2",
                    "3",
                    "\"3\"",
                    "403",
                    "\"403\"",
                    "\"500\"",
                    "\"HTTP 401\"",
                    "\"HTTP/1.1 404 Not Found\"",
                    "\"429: TooManyRequests\"",
                    "false",
                    "\"False\"",
                    "\"Failed \"",
                    "\"FAILED\"",
                    "\"fail\"",
                    "\"Failure\"",
                    "\"AuthorizationFailure\"",
                    "\"Access Denied\"",
                    "\"ACCESS_DENIED\"",
                    "\"DeniedByPolicy\"",
                    "\"Error\"",
                    "\"InternalServerError\"",
                    "\"ErrorAccessDenied\"",
                    "\"Unauthorized\"",
                    "\"Blocked\"",
                    "\"Unsuccessful\"",
                    "\"Not Successful\"",
                    "\"BadRequest\"",
                    "\"NotFound\"",
                    "\"ValidationException\"",
                    "\"TimedOut\"",
                ],
            ),
            (
                Outcome::Unknown,
                &[
                    "0",
                    "4",
                    "99",
                    "-1",
                    "\"InProgress\"",
                    "\"NotStarted\"",
                    "\"Canceled\"",
                    "\"None\"",
                    "\"New\"",
                    "\"Gelungen\"",
                    "\"?\"",
                ],
            ),
        ] {
            for value in values {
                let record = format!("{{\"ResultStatus\":{value}}}");
                assert_eq!(of("PlannerPlan", "PlanRead", &record), expected, "{value}");
            }
        }
    }

    #[test]
    fn sign_ins_follow_their_operation_and_error() {
        for (operation, record, expected) in [
            ("UserLoginFailed", r#"{"ResultStatus":"Success"}"#, Outcome::Failure),
            ("USERLOGINFAILED", r#"{"ResultStatus":"Success","ErrorNumber":"50140"}"#, Outcome::Failure),
            ("UserLoggedIn", "{}", Outcome::Success),
            ("UserLoggedIn", r#"{"ErrorNumber":"00000","LogonError":"None"}"#, Outcome::Success),
            (
                "UserLoggedIn",
                r#"{"ResultStatus":"Succeeded","ErrorNumber":50140,"LogonError":"KmsiInterrupt"}"#,
                Outcome::Success,
            ),
            ("UserLoggedIn", r#"{"ErrorNumber":"50199"}"#, Outcome::Success),
            ("UserLoggedIn", r#"{"LogonError":"CmsiInterrupt"}"#, Outcome::Success),
            ("UserLoggedIn", r#"{"LogonError":"50140"}"#, Outcome::Success),
            ("UserLoggedIn", r#"{"LogonError":"N/A","ErrorNumber":"None"}"#, Outcome::Success),
            ("PasswordLogon", r#"{"LoginStatus":"Failed"}"#, Outcome::Failure),
            ("PasswordLogon", r#"{"LoginStatus":"Success"}"#, Outcome::Success),
            ("FailedValidation", "{}", Outcome::Failure),
            ("UserLoggedIn", r#"{"ResultStatus":"Failed","ErrorNumber":"50140"}"#, Outcome::Failure),
            ("UserLoggedIn", r#"{"ResultStatus":"Success","ErrorNumber":"50126"}"#, Outcome::Failure),
            ("UserLoggedIn", r#"{"ResultStatus":"Success","ErrorNumber":"50074"}"#, Outcome::Failure),
            ("UserLoggedIn", r#"{"ResultStatus":"Success","ErrorNumber":"4711"}"#, Outcome::Failure),
            (
                "UserLoggedIn",
                r#"{"ResultStatus":"Success","ErrorNumber":"50126","LogonError":"KmsiInterrupt"}"#,
                Outcome::Failure,
            ),
            ("UserLoggedIn", r#"{"ResultStatus":"Success","ErrorNumber":"5O140"}"#, Outcome::Unknown),
            ("UserLoggedIn", r#"{"LogonError":"InvalidUserNameOrPassword"}"#, Outcome::Failure),
            ("PasswordLogonInitialAuthUsingPassword", r#"{"LoginStatus":-2147217390}"#, Outcome::Failure),
            ("ForeignRealmIndexLogon", r#"{"LoginStatus":0,"ErrorNumber":"50140"}"#, Outcome::Failure),
            ("ForeignRealmIndexLogon", r#"{"LoginStatus":0,"ResultStatus":"success"}"#, Outcome::Success),
        ] {
            assert_eq!(of(STS, operation, record), expected, "{operation} {record}");
        }
        // The operation decides, whatever the record type says.
        assert_eq!(of("", "UserLoginFailed", r#"{"ResultStatus":"Success"}"#), Outcome::Failure);
        assert_eq!(of("", "UserLoggedIn", r#"{"ErrorNumber":"50126"}"#), Outcome::Failure);
        assert_eq!(of("ExchangeItem", "MailboxLogin", r#"{"LogonError":"AccessDenied"}"#), Outcome::Failure);
        // Other records have numbers of their own.
        assert_eq!(of("MicrosoftTeams", "ChatCreated", r#"{"ErrorNumber":"7"}"#), Outcome::Success);
    }

    #[test]
    fn power_bi_has_a_word_of_its_own() {
        assert_eq!(
            of("PowerBIAudit", "ViewReport", r#"{"IsSuccess":false,"ResultStatus":"Succeeded"}"#),
            Outcome::Failure
        );
        assert_eq!(
            of("PowerBIAudit", "CreateArtifact", r#"{"IsSuccess":"true","ResultStatus":"InProgress"}"#),
            Outcome::Success
        );
        assert_eq!(of("PowerBIAudit", "CreateArtifact", r#"{"ResultStatus":"InProgress"}"#), Outcome::Unknown);
    }
}
