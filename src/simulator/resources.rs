//! `GET resources/dlpSensitiveTypes`: names for the GUIDs in DLP events.

use http::header;
use serde_json::{Value, json};

use super::{answer::Answer, auth, call::Call, error_reply::ErrorReply, state::Service, token::Claims};

/// The sensitive information types that simulated DLP events name.
pub(super) const SENSITIVE_TYPES: [(&str, &str, &str); 4] = [
    ("50842eb7-edc8-4019-85dd-5a5c1f2bb085", "Credit Card Number", "Número de tarjeta de crédito"),
    ("0e9b3178-9678-47dd-a509-37222ca96b42", "EU Debit Card Number", "Número de tarjeta de débito de la UE"),
    ("a44669fe-0d48-453d-a9b1-2cc83f2cba77", "U.S. Social Security Number (SSN)", "Número de la Seguridad Social"),
    ("cb353f78-2b72-4c3c-8827-92ebe4f69fdf", "ABA Routing Number", "Número de ruta ABA"),
];

pub(super) fn sensitive_types(service: &Service, call: &Call, claims: &Claims) -> Result<Answer, ErrorReply> {
    auth::any_permission(service, claims)?;
    let language = language(call)?;
    let spanish = language.get(..2).is_some_and(|primary| primary.eq_ignore_ascii_case("es"));
    let types = SENSITIVE_TYPES
        .into_iter()
        .map(|(id, english, translated)| json!({ "id": id, "name": if spanish { translated } else { english } }));
    Ok(Answer::json(&Value::Array(types.collect())))
}

/// The one language asked for; `en-US` without the header (MSREF).
fn language(call: &Call) -> Result<String, ErrorReply> {
    let mut given = call.headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let Some(first) = given.next() else { return Ok("en-US".to_owned()) };
    let text = first.to_str().map_err(|_| ErrorReply::language_syntax())?;
    if given.next().is_some() || text.contains(',') {
        return Err(ErrorReply::several_languages());
    }
    let tag = text.split(';').next().unwrap_or_default().trim();
    let well_formed = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if tag.split('-').all(well_formed) { Ok(tag.to_owned()) } else { Err(ErrorReply::language_syntax()) }
}
