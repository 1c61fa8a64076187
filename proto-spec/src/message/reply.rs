//! REPLY: fields, rows and ends of results.

use bytes::Bytes;

use crate::document::{Fields, Writer, index};
use crate::error::ProtocolError;
use crate::limits::MAX_POSITION;
use crate::message::{SessionState, SessionValues};
use crate::rows::RowBatch;

/// Why a result has fewer rows than the statement has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capped {
    /// Which limit: `request`, `tablet` or `gate`.
    pub by: String,
    /// Its value, in rows.
    pub limit: u64,
}

/// A warning, as `SHOW WARNINGS` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `Note`, `Warning` or `Error`.
    pub level: String,
    /// MySQL's number.
    pub errno: u16,
    /// Its text.
    pub message: String,
}

/// How a statement ran: for whoever asked by `facts`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// Shards that took part.
    pub shards: u32,
    /// Microseconds of waiting for a MySQL connection, on the shard that waited longest.
    pub wait_us: u64,
    /// Microseconds from sending to MySQL until its last byte, added up over the shards.
    pub mysql_us: u64,
    /// Another request's execution gave the answer.
    pub shared: bool,
    /// The shard that took longest, if there were several.
    pub slowest: Option<String>,
    /// Microseconds that it took.
    pub slowest_us: u64,
}

/// The end of one result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultEnd {
    /// Rows returned.
    pub rows: u64,
    /// Rows affected, by the session's meaning of it.
    pub affected: u64,
    /// `LAST_INSERT_ID`; 0: none.
    pub insert_id: u64,
    /// How many warnings there are.
    pub warnings: u32,
    /// MySQL's status flags; `SERVER_MORE_RESULTS_EXISTS` (8): another result follows.
    pub status: u16,
    /// The session is inside a transaction.
    pub in_transaction: bool,
    /// The session is pinned to one MySQL connection.
    pub pinned: bool,
    /// Position token after a write or commit.
    pub position: Option<Vec<u8>>,
    /// Rows matched, where MySQL says so.
    pub matched: Option<u64>,
    /// MySQL's info text.
    pub info: Option<String>,
    /// The result was capped.
    pub capped: Option<Capped>,
    /// What changed in the session; `None`: nothing.
    pub state: Option<SessionState>,
    /// Texts of warnings, if the request asked.
    pub warning_texts: Vec<Warning>,
    /// Index of the batch item that this ends.
    pub item: Option<u32>,
    /// How the statement ran, if the request asked.
    pub ran: Option<Ran>,
    /// From tablets: the values that the request named, as they are after the statement, if it asked.
    pub values: Option<Box<SessionValues>>,
}

impl ResultEnd {
    /// MySQL's `SERVER_MORE_RESULTS_EXISTS`.
    pub const MORE_RESULTS: u16 = 8;
}

/// A REPLY. May hold fields, rows and end together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Packed `ColumnDefinition41`s; left out when the request's `fields_hash` was equal.
    pub fields: Option<Bytes>,
    /// Hash of the fields of the result that begins here, present with the first REPLY of each result that has columns.
    pub fields_hash: Option<u64>,
    /// `describe`: how many parameters the statement has.
    pub parameters: Option<u32>,
    /// An administrative answer as a JSON text (`tablet.schema`, `tablet.health`, `tablet.consolidations`).
    pub json: Option<String>,
    /// The end of a result.
    pub end: Option<Box<ResultEnd>>,
    /// Packed rows; encoded last.
    pub rows: Option<RowBatch>,
}

impl Reply {
    /// Appends the body, rows last.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Some(rows) = self.encode_head(out) {
            out.extend_from_slice(&rows);
            out.push(0);
        }
    }

    /// Appends the body up to the bytes of the rows, for a vectored write: those bytes follow, then one zero byte.
    /// Without rows the body is complete.
    pub fn encode_head(&self, out: &mut Vec<u8>) -> Option<Bytes> {
        let mut body = Writer::new(out);
        if let Some(fields) = &self.fields {
            body.binary("fields", fields);
        }
        if let Some(hash) = self.fields_hash {
            body.counter("fh", hash);
        }
        if let Some(parameters) = self.parameters {
            body.integer("params", parameters.into());
        }
        if let Some(json) = &self.json {
            body.text("json", json);
        }
        if let Some(end) = &self.end {
            body.document("end", |document| end.encode(document));
        }
        match &self.rows {
            Some(rows) => {
                body.integer("n", rows.count.into());
                body.binary_head("rows", rows.bytes.len());
                body.finish_without(rows.bytes.len());
                Some(rows.bytes.clone())
            }
            None => {
                body.finish();
                None
            }
        }
    }

    /// Reads the body of a REPLY. Fields and rows are slices of `body`, not copies.
    pub fn decode(body: Bytes) -> Result<Reply, ProtocolError> {
        let (mut packed, mut hash, mut parameters, mut json) = (None, None, None, None);
        let (mut end, mut count, mut rows) = (None, None, None);
        for field in Fields::open(&body)?.iter() {
            let field = field?;
            match field.name {
                "fields" => field.put(&mut packed, body.slice_ref(field.binary()?))?,
                "fh" => field.put(&mut hash, field.counter()?)?,
                "params" => field.put(&mut parameters, field.u32()?)?,
                "json" => field.put(&mut json, field.text()?.to_owned())?,
                "end" => field.put(&mut end, Box::new(ResultEnd::decode(field.document()?)?))?,
                "n" => field.put(&mut count, field.u32()?)?,
                "rows" => field.put(&mut rows, body.slice_ref(field.binary()?))?,
                _ => field.unknown()?,
            }
        }
        let rows = match (rows, count) {
            (Some(bytes), Some(count)) => Some(RowBatch { bytes, count }),
            (None, None) => None,
            (Some(_), None) => return Err(ProtocolError::MissingField("n")),
            (None, Some(_)) => return Err(ProtocolError::MissingField("rows")),
        };
        Ok(Reply { fields: packed, fields_hash: hash, parameters, json, end, rows })
    }
}

impl ResultEnd {
    fn encode(&self, document: &mut Writer<'_>) {
        let mut counter = |name: &str, value: u64| {
            if value != 0 {
                document.counter(name, value);
            }
        };
        counter("rows", self.rows);
        counter("affected", self.affected);
        counter("insert_id", self.insert_id);
        counter("warnings", self.warnings.into());
        counter("status", self.status.into());
        document.flag("in_tx", self.in_transaction);
        document.flag("pinned", self.pinned);
        if let Some(position) = &self.position {
            document.binary("position", position);
        }
        if let Some(matched) = self.matched {
            document.counter("matched", matched);
        }
        if let Some(info) = &self.info {
            document.text("info", info);
        }
        if let Some(capped) = &self.capped {
            document.document("capped", |inner| {
                inner.text("by", &capped.by);
                inner.counter("limit", capped.limit);
            });
        }
        if let Some(state) = &self.state {
            document.document("state", |inner| state.encode(inner));
        }
        if !self.warning_texts.is_empty() {
            document.array("texts", |array| {
                for (at, warning) in self.warning_texts.iter().enumerate() {
                    array.document(index(at, &mut [0; 20]), |inner| {
                        inner.text("level", &warning.level);
                        inner.integer("errno", warning.errno.into());
                        inner.text("message", &warning.message);
                    });
                }
            });
        }
        if let Some(item) = self.item {
            document.integer("item", item.into());
        }
        if let Some(ran) = &self.ran {
            document.document("ran", |inner| ran.encode(inner));
        }
        if let Some(values) = &self.values {
            document.document("values", |inner| values.encode(inner));
        }
    }

    fn decode(fields: Fields<'_>) -> Result<ResultEnd, ProtocolError> {
        let (mut rows, mut affected, mut insert_id, mut warnings, mut status) = (None, None, None, None, None);
        let (mut in_transaction, mut pinned, mut position, mut matched, mut info) = (None, None, None, None, None);
        let (mut capped, mut state, mut texts, mut item, mut ran, mut values) = (None, None, None, None, None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "rows" => field.put(&mut rows, field.counter()?)?,
                "affected" => field.put(&mut affected, field.counter()?)?,
                "insert_id" => field.put(&mut insert_id, field.counter()?)?,
                "warnings" => field.put(&mut warnings, field.u32()?)?,
                "status" => field.put(&mut status, field.u16()?)?,
                "in_tx" => field.put(&mut in_transaction, field.boolean()?)?,
                "pinned" => field.put(&mut pinned, field.boolean()?)?,
                "position" => field.put(&mut position, field.binary_within(MAX_POSITION)?.to_vec())?,
                "matched" => field.put(&mut matched, field.counter()?)?,
                "info" => field.put(&mut info, field.text()?.to_owned())?,
                "capped" => field.put(&mut capped, capped_of(field.document()?)?)?,
                "state" => field.put(&mut state, SessionState::decode(field.document()?)?)?,
                "texts" => {
                    let list = field.array()?.map(|text| warning_of(text?.document()?));
                    field.put(&mut texts, list.collect::<Result<Vec<Warning>, ProtocolError>>()?)?
                }
                "item" => field.put(&mut item, field.u32()?)?,
                "ran" => field.put(&mut ran, Ran::decode(field.document()?)?)?,
                "values" => field.put(&mut values, Box::new(SessionValues::decode(field.document()?)?))?,
                _ => field.unknown()?,
            }
        }
        Ok(ResultEnd {
            rows: rows.unwrap_or(0),
            affected: affected.unwrap_or(0),
            insert_id: insert_id.unwrap_or(0),
            warnings: warnings.unwrap_or(0),
            status: status.unwrap_or(0),
            in_transaction: in_transaction.unwrap_or(false),
            pinned: pinned.unwrap_or(false),
            position,
            matched,
            info,
            capped,
            state,
            warning_texts: texts.unwrap_or_default(),
            item,
            ran,
            values,
        })
    }
}

impl Ran {
    fn encode(&self, document: &mut Writer<'_>) {
        if self.shards != 0 {
            document.integer("shards", self.shards.into());
        }
        for (name, value) in [("wait_us", self.wait_us), ("mysql_us", self.mysql_us)] {
            if value != 0 {
                document.counter(name, value);
            }
        }
        document.flag("shared", self.shared);
        if let Some(slowest) = &self.slowest {
            document.text("slowest", slowest);
        }
        if self.slowest_us != 0 {
            document.counter("slowest_us", self.slowest_us);
        }
    }

    fn decode(fields: Fields<'_>) -> Result<Ran, ProtocolError> {
        let (mut shards, mut wait, mut mysql, mut shared) = (None, None, None, None);
        let (mut slowest, mut slowest_us) = (None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "shards" => field.put(&mut shards, field.u32()?)?,
                "wait_us" => field.put(&mut wait, field.counter()?)?,
                "mysql_us" => field.put(&mut mysql, field.counter()?)?,
                "shared" => field.put(&mut shared, field.boolean()?)?,
                "slowest" => field.put(&mut slowest, field.text()?.to_owned())?,
                "slowest_us" => field.put(&mut slowest_us, field.counter()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(Ran {
            shards: shards.unwrap_or(0),
            wait_us: wait.unwrap_or(0),
            mysql_us: mysql.unwrap_or(0),
            shared: shared.unwrap_or(false),
            slowest,
            slowest_us: slowest_us.unwrap_or(0),
        })
    }
}

fn capped_of(fields: Fields<'_>) -> Result<Capped, ProtocolError> {
    let (mut by, mut limit) = (None, None);
    for field in fields.iter() {
        let field = field?;
        match field.name {
            "by" => field.put(&mut by, field.text()?.to_owned())?,
            "limit" => field.put(&mut limit, field.counter()?)?,
            _ => field.unknown()?,
        }
    }
    Ok(Capped {
        by: by.ok_or(ProtocolError::MissingField("by"))?,
        limit: limit.ok_or(ProtocolError::MissingField("limit"))?,
    })
}

fn warning_of(fields: Fields<'_>) -> Result<Warning, ProtocolError> {
    let (mut level, mut errno, mut message) = (None, None, None);
    for field in fields.iter() {
        let field = field?;
        match field.name {
            "level" => field.put(&mut level, field.text()?.to_owned())?,
            "errno" => field.put(&mut errno, field.u16()?)?,
            "message" => field.put(&mut message, field.text()?.to_owned())?,
            _ => field.unknown()?,
        }
    }
    Ok(Warning {
        level: level.ok_or(ProtocolError::MissingField("level"))?,
        errno: errno.ok_or(ProtocolError::MissingField("errno"))?,
        message: message.ok_or(ProtocolError::MissingField("message"))?,
    })
}
