//! The test message that decides whether a webhook is accepted.

use serde_json::json;

use super::{
    dice::Dice,
    error_reply::ErrorReply,
    outbound::{self, Message},
    state::Service,
    webhook::Registration,
};

/// Posts a validation code to a webhook and expects 200. MSREF has two texts for AF20021; a webhook that gives no answer
/// gets the one for an answer other than 200.
pub(super) async fn validate(service: &Service, webhook: &Registration) -> Result<(), ErrorReply> {
    let begins_with =
        |scheme: &str| webhook.address.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    let plain = service.config.allow_plain_webhooks && begins_with("http://");
    if !(plain || begins_with("https://")) {
        return Err(ErrorReply::webhook(&webhook.address, "The address must begin with HTTPS."));
    }
    let number = {
        let mut state = service.state();
        state.stats.validations += 1;
        state.stats.validations
    };
    let code = Dice::new(service.config.seed).of("validation", number).uuid().to_string();
    let body = json!({ "validationCode": code });
    if outbound::post(service, webhook, Message::Validation { code: &code, body }).await {
        Ok(())
    } else {
        Err(ErrorReply::webhook(&webhook.address, "The endpoint did not return HTTP 200."))
    }
}
