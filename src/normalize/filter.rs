//! Which records become events, by what they say of themselves.

use std::{borrow::Cow, fmt};

use wildmatch::WildMatch;

use super::{audit::parse_integer, json::decode, user_id::UserId};
use crate::{component::JsonObject, content::ContentType, record_types::record_type_name};

/// Which records become events: those that one of the criteria includes, and none excludes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordFilter {
    /// Without any, all records are included.
    pub include: Vec<Criteria>,
    /// What is excluded is so even if it is included.
    pub exclude: Vec<Criteria>,
}

/// What a record must have: of each list that is not empty, one item.
///
/// Texts are compared in any case; `*` stands for any characters, `?` for one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Criteria {
    /// The content type that it came with.
    pub content_types: Vec<ContentType>,
    /// `RecordType`.
    pub record_types: Vec<RecordType>,
    /// `Workload`.
    pub workloads: Vec<String>,
    /// `Operation`.
    pub operations: Vec<String>,
    /// `UserId`, or the address in it.
    pub users: Vec<String>,
}

/// The type of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordType {
    /// By its number.
    Number(i64),
    /// By its name in Microsoft's schema.
    Name(String),
}

/// A [`RecordFilter`], ready to be asked.
#[derive(Clone)]
pub(crate) struct Filter {
    include: Vec<Rule>,
    exclude: Vec<Rule>,
}

/// A [`Criteria`], ready to be asked.
#[derive(Clone)]
struct Rule {
    content_types: Vec<ContentType>,
    record_types: Vec<TypePattern>,
    workloads: Vec<WildMatch>,
    operations: Vec<WildMatch>,
    users: Vec<WildMatch>,
}

#[derive(Clone)]
enum TypePattern {
    Number(i64),
    Name(WildMatch),
}

/// What filters look at in a record.
#[derive(Default)]
struct Members<'a> {
    record_type: Option<Cow<'a, str>>,
    workload: Option<Cow<'a, str>>,
    operation: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
}

impl Filter {
    /// `None` if it would include everything.
    pub(crate) fn new(filter: &RecordFilter) -> Option<Self> {
        let rules = |criteria: &[Criteria]| criteria.iter().map(Rule::new).collect::<Vec<_>>();
        let (include, exclude) = (rules(&filter.include), rules(&filter.exclude));
        (!include.is_empty() || !exclude.is_empty()).then_some(Self { include, exclude })
    }

    /// Whether a record becomes an event.
    pub(crate) fn admits(&self, record: &JsonObject, content_type: ContentType) -> bool {
        let members = Members::of(record);
        let fits = |rule: &Rule| rule.fits(&members, content_type);
        (self.include.is_empty() || self.include.iter().any(fits)) && !self.exclude.iter().any(fits)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("include", &self.include.len()).field("exclude", &self.exclude.len()).finish()
    }
}

impl Rule {
    fn new(criteria: &Criteria) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| pattern(text)).collect();
        Self {
            content_types: criteria.content_types.clone(),
            record_types: criteria.record_types.iter().map(TypePattern::new).collect(),
            workloads: patterns(&criteria.workloads),
            operations: patterns(&criteria.operations),
            users: patterns(&criteria.users),
        }
    }

    fn fits(&self, members: &Members<'_>, content_type: ContentType) -> bool {
        (self.content_types.is_empty() || self.content_types.contains(&content_type))
            && fits_any(&self.operations, members.operation.as_deref(), WildMatch::matches)
            && fits_any(&self.record_types, members.record_type.as_deref(), TypePattern::fits)
            && fits_any(&self.workloads, members.workload.as_deref(), WildMatch::matches)
            && fits_any(&self.users, members.user.as_deref(), is_user)
    }
}

/// Whether there are no patterns, or one of them fits. To a member that is missing none does.
fn fits_any<P>(patterns: &[P], text: Option<&str>, fits: impl Fn(&P, &str) -> bool) -> bool {
    patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|pattern| fits(pattern, text)))
}

/// Whether a pattern fits an id as it is written, or the address that SharePoint, Entra and others hide in it.
fn is_user(pattern: &WildMatch, id: &str) -> bool {
    let address = || UserId::parse(&Cow::Borrowed(id)).and_then(|user| user.email).map(Cow::into_owned);
    pattern.matches(id) || address().is_some_and(|address| pattern.matches(&address))
}

fn pattern(text: &str) -> WildMatch {
    WildMatch::new_case_insensitive(text.trim())
}

impl TypePattern {
    fn new(record_type: &RecordType) -> Self {
        match record_type {
            RecordType::Number(number) => Self::Number(*number),
            RecordType::Name(name) => Self::Name(pattern(name)),
        }
    }

    /// Whether it fits the text of a `RecordType`: a number, or a name in what others export.
    fn fits(&self, text: &str) -> bool {
        let number = parse_integer(text);
        match self {
            Self::Number(known) if number.is_some() => number == Some(*known),
            Self::Number(known) => record_type_name(*known).is_some_and(|name| name.eq_ignore_ascii_case(text)),
            Self::Name(pattern) => pattern.matches(number.and_then(record_type_name).unwrap_or(text)),
        }
    }
}

impl<'a> Members<'a> {
    /// Of members with the same name the last one counts, and one in another letter case if there is none in Microsoft's.
    fn of(record: &'a JsonObject) -> Self {
        let mut members = Self::default();
        let mut other_case = Self::default();
        record.for_each_member(|name, raw| {
            if let Some(member) = members.by(|known| known == name) {
                *member = text_of(raw);
            } else if let Some(member) = other_case.by(|known| known.eq_ignore_ascii_case(name)) {
                *member = text_of(raw);
            }
        });
        Self {
            record_type: members.record_type.or(other_case.record_type),
            workload: members.workload.or(other_case.workload),
            operation: members.operation.or(other_case.operation),
            user: members.user.or(other_case.user),
        }
    }

    fn by(&mut self, is_it: impl Fn(&str) -> bool) -> Option<&mut Option<Cow<'a, str>>> {
        match () {
            () if is_it("RecordType") => Some(&mut self.record_type),
            () if is_it("Workload") => Some(&mut self.workload),
            () if is_it("Operation") => Some(&mut self.operation),
            () if is_it("UserId") => Some(&mut self.user),
            () => None,
        }
    }
}

/// The text of a scalar, without blanks around it.
fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes() {
        [b'"', ..] => decode(raw).map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
        [b'{' | b'[' | b'n', ..] => None,
        _ => Some(Cow::Borrowed(raw.trim())),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;

    use super::*;

    fn record(text: &str) -> JsonObject {
        JsonObject::parse(text.to_owned().into()).unwrap()
    }

    fn admits(include: &[Criteria], exclude: &[Criteria], text: &str) -> bool {
        let filter = RecordFilter { include: include.to_vec(), exclude: exclude.to_vec() };
        Filter::new(&filter).is_none_or(|filter| filter.admits(&record(text), ContentType::SharePoint))
    }

    fn operations(patterns: &[&str]) -> Criteria {
        Criteria { operations: patterns.iter().map(|text| (*text).to_owned()).collect(), ..Criteria::default() }
    }

    fn users(patterns: &[&str]) -> Criteria {
        Criteria { users: patterns.iter().map(|text| (*text).to_owned()).collect(), ..Criteria::default() }
    }

    fn types(types: &[RecordType]) -> Criteria {
        Criteria { record_types: types.to_vec(), ..Criteria::default() }
    }

    const RECORD: &str = r#"{"RecordType":6,"Workload":"SharePoint","Operation":"FileAccessed","UserId":"i:0#.f|membership|Ana@contoso.com"}"#;

    #[test]
    fn all_lists_of_a_rule_must_fit_and_of_each_one_item() {
        let both = Criteria { workloads: vec!["OneDrive".into(), "SharePoint".into()], ..operations(&["file*"]) };
        assert!(!admits(&[], from_ref(&both), RECORD));
        let other = Criteria { workloads: vec!["Exchange".into()], ..both };
        assert!(admits(&[], from_ref(&other), RECORD));
        assert!(!admits(&[other], &[], RECORD));
    }

    #[test]
    fn what_is_excluded_is_so_even_if_it_is_included() {
        assert!(admits(&[operations(&["FileAccessed"])], &[], RECORD));
        assert!(!admits(&[operations(&["FileAccessed"])], &[users(&["*@contoso.com"])], RECORD));
        assert!(admits(&[], &[], RECORD));
    }

    #[test]
    fn record_types_fit_by_number_and_by_name_however_the_record_writes_them() {
        let (number, name) = (RecordType::Number(6), RecordType::Name("sharepointfile*".to_owned()));
        for text in [r#"{"RecordType":6}"#, r#"{"RecordType":"6"}"#, r#"{"RecordType":6.0}"#, r#"{"recordtype":6}"#] {
            assert!(admits(&[types(from_ref(&number))], &[], text), "{text}");
            assert!(admits(&[types(from_ref(&name))], &[], text), "{text}");
        }
        let exported = r#"{"RecordType":"SharePointFileOperation"}"#;
        assert!(admits(&[types(from_ref(&number))], &[], exported) && admits(&[types(from_ref(&name))], &[], exported));
        for text in [r#"{"RecordType":7}"#, r#"{"RecordType":null}"#, r#"{"RecordType":[6]}"#, "{}"] {
            assert!(!admits(&[types(&[number.clone(), name.clone()])], &[], text), "{text}");
        }
        assert!(admits(&[types(&[RecordType::Number(99_999)])], &[], r#"{"RecordType":99999}"#));
    }

    #[test]
    fn users_fit_by_their_id_and_by_the_address_in_it() {
        assert!(admits(&[users(&["ana@contoso.com"])], &[], RECORD));
        assert!(admits(&[users(&["i:0#.f|*"])], &[], RECORD));
        assert!(admits(&[users(&["sys?em"])], &[], r#"{"UserId":"SYSTEM"}"#));
        assert!(!admits(&[users(&["ana@contoso.co"])], &[], RECORD));
    }

    #[test]
    fn a_missing_member_fits_no_pattern_and_the_exact_name_counts() {
        assert!(admits(&[], &[operations(&["*"])], r#"{"Operation":null}"#));
        assert!(!admits(&[operations(&["*"])], &[], "{}"));
        let text = r#"{"operation":"b","Operation":"a","OPERATION":"c"}"#;
        assert!(admits(&[operations(&["a"])], &[operations(&["b", "c"])], text));
        assert!(admits(&[operations(&["a b"])], &[], r#"{"Operation":" A B "}"#));
    }

    #[test]
    fn content_types_fit_the_content_that_the_record_came_in() {
        let of = |content_type| Criteria { content_types: vec![content_type], ..Criteria::default() };
        assert!(admits(&[of(ContentType::SharePoint)], &[], RECORD));
        assert!(!admits(&[of(ContentType::Exchange)], &[], RECORD));
    }

    proptest! {
        #[test]
        fn a_text_without_wildcards_fits_itself_in_any_case(text in "[A-Za-z.@#|: -]{1,20}") {
            prop_assume!(!text.trim().is_empty());
            let record = serde_json::json!({ "Operation": text.to_uppercase() }).to_string();
            prop_assert!(admits(&[operations(&[text.as_str()])], &[], &record));
            let around = format!("*{}*", text.trim());
            prop_assert!(!admits(&[], &[operations(&[around.as_str()])], &record));
        }
    }
}
