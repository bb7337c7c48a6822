//! Access tokens from Microsoft Entra ID, by the client-credentials grant.
//!
//! Knows nothing of what the tokens are for, except the scope to request.

mod aadsts;
mod answer;
mod claims;
pub mod credential;
mod error;
pub mod managed_identity;
mod telemetry;
mod tokens;

pub use self::{
    aadsts::advice_in,
    answer::{TokenAnswer, parse_token_answer},
    error::EntraError,
    tokens::{AccessToken, Application, Applications, Authority, Suspicion, TokenEndpoint, Tokens},
};
