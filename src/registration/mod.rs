//! How a tenant registers: an administrator is invited, consents at Microsoft Entra, comes back, and the tenant is collected.
//!
//! Nothing that the browser brings is proof. Who was invited is in `state`, which this program has signed; that the tenant
//! has consented, Entra says when it is asked for a token.

mod callback;
mod consent_url;
mod invitation;
mod page;
mod registrar;
mod state;
mod telemetry;

pub use self::{
    callback::{Callback, parse_callback},
    consent_url::{ConsentFlow, ConsentRequest},
    invitation::{ConsentLink, InvitationError, InvitationOptions, invite},
    page::{Form, alive, registration as page_of},
    registrar::{Consent, ReadStateKey, Registrar, Registration, RegistrationError},
    state::{Invitation, StateError, StateKey},
    telemetry::{registered, registration_failed},
};
