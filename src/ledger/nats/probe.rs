//! What the servers of the state are, found out without changing anything.

use async_nats::jetstream::{ErrorCode, context::GetStreamErrorKind};

use super::{
    NatsLedger,
    bucket::{Connection, compare},
    options::NatsOptions,
};
use crate::ledger::LedgerError;

/// The servers of the state, and the bucket if there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NatsProbe {
    /// The version of the server that answered.
    pub version: String,
    /// What the bucket is called.
    pub bucket: String,
    /// How many members are there; `None` if there is no bucket yet.
    pub members: Option<usize>,
}

impl NatsLedger {
    /// Connects, and looks whether the servers can hold the state, or hold it as it must be.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for what only writing shows.
    pub async fn probe(options: &NatsOptions) -> Result<NatsProbe, LedgerError> {
        let connection = Connection::open(options).await?;
        connection.context.query_account().await.map_err(|error| connection.refused(error))?;
        let members = match connection.context.get_stream(connection.stream()).await {
            Ok(stream) => {
                compare(&stream.cached_info().config, &connection.wanted(options))?;
                Some(connection.bucket().await?.subjects("member.*").await?.len())
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => None,
                _ => return Err(connection.refused(error).into()),
            },
        };
        Ok(NatsProbe { version: connection.client.server_info().version, bucket: connection.name, members })
    }
}
