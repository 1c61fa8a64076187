//! Results, pulled part by part.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::rows::RowBatch;

use crate::Result;
use crate::call::ConnectionId;

/// One part of an answer. Order: (Fields Rows*)? End, once per result; `End` with `MORE_RESULTS` is followed by another.
#[derive(Debug, Clone)]
pub enum Part {
    /// Packed `ColumnDefinition41`s, with database names as MySQL has them.
    Fields(Bytes),
    /// A batch of packed rows, about 32 KiB, or one row if that is larger.
    Rows(RowBatch),
    /// The end of one result.
    End(Box<ResultEnd>),
}

/// Pulls the parts of a result. Dropping it before the end closes its MySQL connection: pull to the end, or cancel first.
#[async_trait]
pub trait PartStream: Send {
    /// The next part; `None` after the last `End`. After an error there is nothing more.
    async fn next(&mut self) -> Result<Option<Part>>;
}

/// A statement that MySQL has accepted.
pub struct Execution {
    /// The connection that [`crate::call::On::Begin`] or [`crate::call::On::Reserve`] took.
    pub connection: Option<ConnectionId>,
    /// Its answer.
    pub parts: Box<dyn PartStream>,
}

/// What a service knows of itself and of its MySQL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// `MySQL` or `MariaDB`.
    pub flavour: String,
    /// As MySQL says it.
    pub mysql_version: String,
    /// The last contact with MySQL succeeded.
    pub healthy: bool,
}
