//! What a log pipeline expects of a source: the traits and types of `vector-core`, by the names Vector gives them.
//!
//! A Vector component file maps these to Vector's own one by one; the standalone host implements the other side itself.
//! Nothing here knows Office 365 or HTTP.
//!
//! A host builds a source from TOML, takes batches from it, and acknowledges each event by finishing with it:
//!

mod context;
mod event;
mod extra_context;
mod finalization;
mod json_object;
mod sender;
mod shutdown;
mod source;

pub use self::{
    context::{ComponentKey, GlobalOptions, SourceContext},
    event::{EventMetadata, LogEvent, SharedFields},
    extra_context::ExtraContext,
    finalization::{
        AddBatchNotifier, BatchNotifier, BatchStatus, BatchStatusReceiver, EventFinalizer, EventFinalizers,
        EventStatus, Finalizable,
    },
    json_object::{InvalidRecord, JsonObject, Repair},
    sender::{Builder, SendError, SourceReceiver, SourceSender, SourceSenderItem},
    shutdown::{ShutdownDone, ShutdownSignal, ShutdownSignalToken, ShutdownTrigger},
    source::{DataType, LogNamespace, Resource, Source, SourceConfig, SourceOutput},
};
