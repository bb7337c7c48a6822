//! What a log pipeline expects of a source: the traits and types of `vector-core`, by the names Vector gives them.
//!
//! A Vector component file maps these to Vector's own one by one; the standalone host implements the other side itself.
//! Nothing here knows Office 365 or HTTP.
//!
//! # A host in twenty lines
//!
//! A host builds a source from TOML, takes batches from it, and acknowledges each event by saying what became of it and
//! letting go:
//!
#![cfg_attr(feature = "simulator", doc = "```")]
#![cfg_attr(not(feature = "simulator"), doc = "```ignore")]
//! use office365_source::{component::*, config::Office365Config};
//! # use office365_source::{HostServices, RunMode, api_clients::Environment, clock::Clock, simulator::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> office365_source::Result<()> {
//! # let data_dir = tempfile::TempDir::new()?;
//! let config: Office365Config = toml::from_str(
//!     r#"
//!     auth = { client_id = "1b8e2f60-33d7-4e0b-8c44-c047050000a1", client_secret = "secret-of-contoso.com" }
//!     tenants = [{ id = "0a54d1c5-7a10-4c5e-9d3f-c04705000001", domain = "contoso.com" }]
//!     "#,
//! )?;
//! let mut builder = SourceSender::builder();
//! let mut output = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "m365".into());
//! let globals = GlobalOptions { data_dir: Some(data_dir.path().to_owned()), ..Default::default() };
//! let (shutdown, signal, _done) = ShutdownSignal::new_wired();
//! let mut context = SourceContext::new("m365", globals, builder.build());
//! context.shutdown = signal;
//! # // The example runs on the simulator, until everything has been collected.
//! # let simulator = Simulator::new(SimulatorConfig::default(), Clock::system());
//! # simulator.set_base_url("https://manage.office.com".parse()?);
//! # let environment = Environment { transport: Some(std::sync::Arc::new(InProcess::new(&simulator))), ..Environment::default() };
//! # let services = HostServices { run_mode: RunMode::ONCE, environment, ..HostServices::default() };
//! # context.extra_context = ExtraContext::default().with(services);
//! let source = tokio::spawn(config.build(context).await?);
//!
//! # let mut events = 0;
//! while let Some(batch) = output.recv().await {
//!     for event in batch.events {
//!         // Deliver it: `event.to_json()`, or with feature `vrl` `event.value()` for a `vrl::value::Value`.
//! #       events += 1;
//!         event.metadata().update_status(EventStatus::Delivered);
//!     }
//! }
//! shutdown.cancel();
//! source.await?.map_err(|()| "the source stopped; its log says why")?;
//! # assert!(events > 100);
//! # Ok(())
//! # }
//! ```

mod context;
mod event;
mod extra_context;
mod field;
mod finalization;
mod json_check;
mod json_object;
mod json_string;
mod repair;
mod sender;
mod shutdown;
mod source;
pub(crate) mod whole_number;

pub use self::{
    context::{ComponentKey, GlobalOptions, SourceContext},
    event::{EventMetadata, LogEvent, SharedFields},
    extra_context::ExtraContext,
    field::{Field, Fields, fields},
    finalization::{
        AddBatchNotifier, BatchNotifier, BatchStatus, BatchStatusReceiver, EventFinalizer, EventFinalizers,
        EventStatus, Finalizable, Handover,
    },
    json_object::{InvalidRecord, JsonObject},
    repair::Repair,
    sender::{Builder, SendError, SourceReceiver, SourceSender, SourceSenderItem},
    shutdown::{ShutdownDone, ShutdownSignal, ShutdownSignalToken, ShutdownTrigger},
    source::{DataType, LogNamespace, Resource, Source, SourceConfig, SourceOutput},
};
pub(crate) use self::{
    json_check::find_special,
    json_string::find_quote_or_backslash,
    repair::{escape_control_characters, repair_text},
};
/// The tree of an event, as [`LogEvent::value`] builds it. Named here for hosts whose own `vrl` is of another version.
#[cfg(feature = "vrl")]
pub use vrl::value::{KeyString, ObjectMap, Value};
