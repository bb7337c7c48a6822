//! Events as bytes of formats other than JSON, for the hosts that need them.

pub mod forward;
pub mod msgpack;
