//! Microsoft 365 audit logs as a dynamic input plugin of Fluent Bit, named `office365`.
//!
//! ```text
//! source ──► pump ──► pieces of MessagePack ──► collect callback ──► Fluent Bit
//! (a runtime of our own)   (a bounded queue)       (a thread of Fluent Bit's, once a second)
//! ```
//!
//! Fluent Bit loads the library as what it calls a Go plugin, an interface of C functions and structures that any language
//! can serve. It has no acknowledgements. So events count as delivered when Fluent Bit has come back for more, at least
//! five seconds later, without having paused the input in between (see `handover`): by then it has moved them
//! from the input's thread into a chunk. Everything else is errored, and fetched again after the next start.
//!
//! Source of the facts about Fluent Bit: its own source code, v5.1.1 (`src/flb_plugin_proxy.c`, `src/proxy/go/go.c`,
//! `src/flb_input_chunk.c`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod abi;
mod configuration;
mod exports;
mod guard;
mod handover;
mod host;
mod instance;
mod log;
mod near_misses;
mod properties;
mod pump;
mod registry;
mod switch;

pub use abi::{Api, Definition, InputContext, Plugin};
pub use exports::{
    FLBPluginExit, FLBPluginInit, FLBPluginInputCallback, FLBPluginInputCallbackCtx, FLBPluginInputCleanupCallback,
    FLBPluginInputCleanupCallbackCtx, FLBPluginInputPause, FLBPluginInputResume, FLBPluginRegister,
};
