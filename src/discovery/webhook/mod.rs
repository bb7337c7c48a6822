//! Mode `webhook`: Microsoft announces content to a listener that anybody on the Internet can reach.
//!
//! Most files here only decide: what a request says, who may send it, which connections are kept. All of them process
//! hostile input. `listener` keeps the connections, `endpoint` answers their requests.

mod activity;
pub mod addresses;
mod admission;
mod auth_id;
mod connections;
mod delivery;
mod endpoint;
mod handle;
mod listener;
mod rate;
mod refusals;
mod telemetry;
mod tls;

pub use self::{
    addresses::{AddressList, ServiceTagsError, client_address, parse_service_tags, read_service_tags},
    admission::{Admission, Rejection},
    auth_id::{AuthId, configured_auth_id},
    connections::{Admitted, ConnectionId, Connections, Refused},
    delivery::{Announcement, Delivery, Item, MalformedDelivery, parse_delivery},
    endpoint::{Endpoint, EndpointOptions, EndpointParts, Peer},
    handle::WebhookHandle,
    listener::{ListenError, Listener},
    rate::SourceRates,
    tls::TlsError,
};
