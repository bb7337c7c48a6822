//! The `office365` source: audit logs of Microsoft 365 tenants, from the Office 365 Management Activity API.
//!
//! All of the collecting is done by the crate `office365-source`. This file maps its component to Vector's: the block of the
//! configuration, the source's context, events, and acknowledgements.

use std::{cell::RefCell, fmt};

use chrono::{DateTime, Utc};
use futures::{StreamExt, join, stream::BoxStream};
use office365_source::{
    component::{self, Handover, SourceConfig as _, SourceReceiver},
    config::{Office365Config, embedded_source_json_schema, parse_source},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use vector_lib::{
    config::{LogNamespace, log_schema},
    configurable::{
        Configurable, GenerateError, Metadata, configurable_component,
        schema::{SchemaGenerator, SchemaObject},
    },
    event::{BatchNotifier, BatchStatus, Event, EventMetadata, LogEvent, Value},
    finalizer::UnorderedFinalizer,
    lookup::{PathPrefix, owned_value_path},
    schema::Definition,
};
use vrl::value::{Kind, kind::Collection};

use crate::{
    SourceSender,
    config::{DataType, GenerateConfig, Resource, SourceConfig, SourceContext, SourceOutput},
    internal_events::StreamClosedError,
    sources::Source,
};

/// The key that the block has beside those of the crate.
const LOG_NAMESPACE: &str = "log_namespace";

/// Configuration for the `office365` source.
#[configurable_component(source(
    "office365",
    "Collect audit logs of Microsoft 365 tenants from the Office 365 Management Activity API."
))]
#[derive(Clone, Debug)]
#[serde(try_from = "Block", into = "Block")]
pub struct Office365SourceConfig {
    /// The block as it was written. A reload compares it with the new one, secrets included.
    block: Block,
    source: Office365Config,
    log_namespace: Option<bool>,
}

/// The block of a source, without its `type`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
struct Block(Map<String, serde_json::Value>);

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be a secret in it.
        f.write_str("Block(..)")
    }
}

impl TryFrom<Block> for Office365SourceConfig {
    type Error = String;

    fn try_from(block: Block) -> Result<Self, String> {
        let mut keys = block.0.clone();
        let log_namespace = match keys.remove(LOG_NAMESPACE) {
            None => None,
            Some(serde_json::Value::Bool(vector)) => Some(vector),
            Some(_) => {
                return Err(format!(
                    "{LOG_NAMESPACE}: is no boolean. Write {LOG_NAMESPACE} = true, or leave the key out."
                ));
            }
        };
        // Vector says itself which source it is about.
        let source = parse_source(keys, "").map_err(|errors| errors.to_string())?;
        Ok(Self {
            block,
            source,
            log_namespace,
        })
    }
}

impl From<Office365SourceConfig> for Block {
    fn from(config: Office365SourceConfig) -> Self {
        config.block
    }
}

impl Configurable for Block {
    fn metadata() -> Metadata {
        Metadata::with_description("The audit logs of Microsoft 365 tenants.")
    }

    fn generate_schema(_: &RefCell<SchemaGenerator>) -> Result<SchemaObject, GenerateError> {
        let mut schema = embedded_source_json_schema();
        if let Some(keys) = schema
            .pointer_mut("/properties")
            .and_then(serde_json::Value::as_object_mut)
        {
            // Every source of Vector has one.
            keys.remove("proxy");
            let description = "The namespace to use for logs. This overrides the global setting.";
            keys.insert(
                LOG_NAMESPACE.to_owned(),
                json!({ "type": "boolean", "description": description }),
            );
        }
        serde_json::from_value(schema).map_err(|_| GenerateError::InvalidType)
    }
}

impl GenerateConfig for Office365SourceConfig {
    fn generate_config() -> serde_json::Value {
        json!({
            "auth": {
                "client_id": "11111111-2222-4333-8444-555555555555",
                "client_secret": { "env": "M365_CLIENT_SECRET" },
            },
            "tenants": [{ "id": "6a98b5da-7b3c-4486-bb0b-66a048c6da62", "domain": "contoso.com" }],
        })
    }
}

#[async_trait::async_trait]
#[typetag::serde(name = "office365")]
impl SourceConfig for Office365SourceConfig {
    async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
        let acknowledgements = cx.do_acknowledgements(self.source.acknowledgements.enabled.into());
        let log_namespace = cx.log_namespace(self.log_namespace);

        let mut source = self.source.clone();
        // Batches are settled below in either case: when the sinks have them, or when Vector's pipeline has.
        source.acknowledgements.enabled = Some(true);
        let globals = component::GlobalOptions {
            data_dir: Some(cx.globals.resolve_and_validate_data_dir(None)?),
            ..component::GlobalOptions::default()
        };
        let mut builder =
            component::SourceSender::builder().with_buffer(source.batch.max_events as usize);
        let output = component::SourceOutput::new_logs(component::LogNamespace::default());
        let output = builder.add_source_output(output, cx.key.id().into());
        let (trigger, signal, _) = component::ShutdownSignal::new_wired();
        let mut context = component::SourceContext::new(cx.key.id(), globals, builder.build());
        context.shutdown = signal;
        context.proxy = serde_json::to_value(&cx.proxy)
            .and_then(serde_json::from_value)
            .map_err(|error| format!("proxy: {error}"))?;
        let collecting = source.build(context).await?;

        let (finalizer, settled) = UnorderedFinalizer::new(None);
        let pump = Pump {
            output,
            out: cx.out,
            acknowledgements,
            log_namespace,
            finalizer,
        };
        let shutdown = cx.shutdown;
        Ok(Box::pin(async move {
            let mut work =
                Box::pin(async move { join!(collecting, pump.run(), settle(settled)).0 });
            tokio::select! {
                ended = &mut work => ended,
                token = shutdown => {
                    trigger.cancel();
                    let ended = work.await;
                    // The ledger is closed by now, for the next process.
                    drop(token);
                    ended
                }
            }
        }))
    }

    fn outputs(&self, global_log_namespace: LogNamespace) -> Vec<SourceOutput> {
        let log_namespace = global_log_namespace.merge(self.log_namespace);
        let definition =
            Definition::new_with_default_metadata(Kind::object(Collection::any()), [log_namespace]);
        let time = match log_namespace {
            LogNamespace::Legacy => log_schema().timestamp_key().cloned(),
            LogNamespace::Vector => self
                .source
                .schema
                .timestamp_field()
                .map(|name| owned_value_path!(name)),
        };
        let mut definition = definition.with_standard_vector_source_metadata();
        if let Some(time) = time {
            // Records without a time that can be read, and fields of that name in a record, are both possible.
            definition = definition.optional_field(&time, Kind::any(), Some("timestamp"));
        }
        vec![SourceOutput::new_maybe_logs(DataType::Log, definition)]
    }

    fn resources(&self) -> Vec<Resource> {
        let tcp = |resource| match resource {
            component::Resource::Tcp(address) => Some(Resource::tcp(address)),
            component::Resource::File(_) => None,
        };
        self.source
            .resources()
            .into_iter()
            .filter_map(tcp)
            .collect()
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

/// Brings batches from the crate's output into Vector's.
struct Pump {
    output: SourceReceiver,
    out: SourceSender,
    acknowledgements: bool,
    log_namespace: LogNamespace,
    finalizer: UnorderedFinalizer<Handover>,
}

impl Pump {
    async fn run(mut self) {
        while let Some(mut batch) = self.output.recv().await {
            let handover = Handover::of(&mut batch.events);
            let count = batch.events.len();
            let now = Utc::now();
            let mut events: Vec<Event> = batch
                .events
                .iter()
                .map(|event| log_event(event, self.log_namespace, now).into())
                .collect();
            drop(batch);
            let status = BatchNotifier::maybe_apply_to(self.acknowledgements, &mut events);
            if self.out.send_batch(events).await.is_err() {
                // The batch is errored, and what comes after it finds the output closed.
                emit!(StreamClosedError { count });
                return;
            }
            match status {
                Some(status) => self.finalizer.add(handover, status),
                None => handover.settle(component::BatchStatus::Delivered),
            }
        }
    }
}

/// Reports to the crate what became of each batch.
async fn settle(mut settled: BoxStream<'static, (BatchStatus, Handover)>) {
    while let Some((status, handover)) = settled.next().await {
        handover.settle(match status {
            BatchStatus::Delivered => component::BatchStatus::Delivered,
            BatchStatus::Errored => component::BatchStatus::Errored,
            BatchStatus::Rejected => component::BatchStatus::Rejected,
        });
    }
}

fn log_event(
    event: &component::LogEvent,
    log_namespace: LogNamespace,
    now: DateTime<Utc>,
) -> LogEvent {
    let mut log = LogEvent::from_parts(vector_value(event.value()), EventMetadata::default());
    if let (LogNamespace::Legacy, Some(time), Some(key)) = (
        log_namespace,
        event.timestamp(),
        log_schema().timestamp_key(),
    ) {
        // Before the standard metadata, which is the time of receipt where there is no other.
        log.try_insert((PathPrefix::Event, key), time);
    }
    log_namespace.insert_standard_vector_source_metadata(
        &mut log,
        Office365SourceConfig::NAME,
        now,
    );
    log
}

/// The same value as Vector's type, whichever version of `vrl` it is of. Bytes and names move. A whole number that is no `i64`
/// is text in the tree already.
fn vector_value(value: component::Value) -> Value {
    match value {
        component::Value::Bytes(bytes) => Value::Bytes(bytes),
        component::Value::String(text) => Value::Bytes(text.into_bytes()),
        component::Value::Regex(regex) => Value::from(regex.as_str()),
        component::Value::Integer(number) => Value::Integer(number),
        component::Value::Float(number) => Value::from_f64_or_zero(number.into_inner()),
        component::Value::Boolean(boolean) => Value::Boolean(boolean),
        component::Value::Timestamp(time) => Value::Timestamp(time),
        component::Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| (String::from(name).into(), vector_value(field)))
                .collect(),
        ),
        component::Value::Array(items) => {
            Value::Array(items.into_iter().map(vector_value).collect())
        }
        component::Value::Null => Value::Null,
    }
}
