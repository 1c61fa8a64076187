//! REQUEST: what a client asks for.

use crate::document::{Field, Fields, Writer, index, shortened};
use crate::error::ProtocolError;
use crate::limits::{CREDIT_LIMIT, DEFAULT_CREDIT, ID_LIMIT, MAX_NAME, MAX_POSITION};
use crate::message::{BeginOptions, SessionState, SessionValues};
use crate::target::Target;
use crate::value::Binds;

/// What a REQUEST asks for. Names on the wire are those of [`Op::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Opens the session `s` with settings; may carry the whole `session` state of an earlier `end` to rebuild it.
    Open,
    /// Ends the session `s`; an open transaction is rolled back.
    Close,
    /// Takes the session back to how it was opened.
    Reset,
    /// Runs one statement.
    Execute,
    /// Runs `items` as a chain.
    Batch,
    /// Parameters and fields of a statement, not run.
    Describe,
    /// Begins a transaction.
    Begin,
    /// Commits.
    Commit,
    /// Rolls back.
    Rollback,
    /// Pins the session to one MySQL connection (tablets only).
    Reserve,
    /// The tablet's schema (tablets only).
    TabletSchema,
    /// The tablet's state (tablets only).
    TabletHealth,
    /// What executions the tablet has shared (tablets only).
    TabletConsolidations,
}

impl Op {
    /// All, with their names on the wire.
    pub const ALL: [(Op, &'static str); 13] = [
        (Op::Open, "open"),
        (Op::Close, "close"),
        (Op::Reset, "reset"),
        (Op::Execute, "execute"),
        (Op::Batch, "batch"),
        (Op::Describe, "describe"),
        (Op::Begin, "begin"),
        (Op::Commit, "commit"),
        (Op::Rollback, "rollback"),
        (Op::Reserve, "reserve"),
        (Op::TabletSchema, "tablet.schema"),
        (Op::TabletHealth, "tablet.health"),
        (Op::TabletConsolidations, "tablet.consolidations"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Op::ALL.iter().find(|(op, _)| *op == self).map(|(_, name)| *name).expect("ALL lists every op")
    }

    /// The op of a name.
    pub fn parse(name: &str) -> Option<Op> {
        Op::ALL.iter().find(|(_, known)| *known == name).map(|(op, _)| *op)
    }
}

/// Whether a read may share one execution with identical ones that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// It runs by itself.
    Off,
    /// It joins identical reads that have not been sent to MySQL yet: no answer is older than its request.
    Next,
    /// It also joins one that MySQL is running already: the answer may be as old as that one's start.
    Running,
}

impl Share {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Share::Off => "off",
            Share::Next => "next",
            Share::Running => "running",
        }
    }

    /// The choice of a name.
    pub fn parse(name: &str) -> Option<Share> {
        [Share::Off, Share::Next, Share::Running].into_iter().find(|share| share.as_str() == name)
    }
}

/// One item of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchItem {
    /// The statement; `None` repeats the previous item's.
    pub sql: Option<String>,
    /// Its binds.
    pub binds: Binds,
}

/// A REQUEST.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What to do.
    pub op: Op,
    /// The session; `None` is a stateless execution.
    pub session: Option<u64>,
    /// Run only if the session's previous request succeeded.
    pub chain: bool,
    /// Initial credit in REPLY body bytes.
    pub credit: u32,
    /// Milliseconds from receipt of the first frame, queueing and streaming included.
    pub deadline_ms: Option<u32>,
    /// On whose behalf; believed only from a peer with role `gate`.
    pub caller: Option<String>,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
    /// `execute`, `describe`: the statement.
    pub sql: Option<String>,
    /// `execute`: its binds.
    pub binds: Binds,
    /// Overrides the session's target for this request (`!target`: critical).
    pub target: Option<Target>,
    /// At most so many rows; the answer says that it was capped (`!max_rows`: critical).
    pub max_rows: Option<u64>,
    /// Refuse anything that writes (`!read_only`: critical).
    pub read_only: bool,
    /// The field hash that the client holds; equal fields are left out of the reply.
    pub fields_hash: Option<u64>,
    /// Fetch the text of at most so many warnings.
    pub warnings: u32,
    /// Not older than this position (`!position`: critical).
    pub position: Option<Vec<u8>>,
    /// `open`: the session's settings; tablets take it on stateless executions as well.
    pub state: Option<SessionState>,
    /// `begin`.
    pub begin: Option<BeginOptions>,
    /// `batch`.
    pub items: Vec<BatchItem>,
    /// `batch`: in one transaction.
    pub atomic: bool,
    /// Whether a read may share an execution. At a gate `None` is the session's choice; at a tablet it is `Off`, because only
    /// a gate knows which statements may.
    pub share: Option<Share>,
    /// Answer `ran` in each `end`.
    pub facts: bool,
    /// The application on whose behalf; believed only from a peer with role `gate`.
    pub application: Option<String>,
    /// Tablets only: names the unique key that a write goes to. Writes to one key run one after the other.
    pub row_key: Option<String>,
    /// Tablets only: what the statement sees of its session besides settings.
    pub values: Option<SessionValues>,
}

impl Request {
    /// A request of `op` with the defaults of the specification.
    pub fn new(op: Op) -> Request {
        Request {
            op,
            session: None,
            chain: false,
            credit: DEFAULT_CREDIT,
            deadline_ms: None,
            caller: None,
            traceparent: None,
            sql: None,
            binds: Binds::new(),
            target: None,
            max_rows: None,
            read_only: false,
            fields_hash: None,
            warnings: 0,
            position: None,
            state: None,
            begin: None,
            items: Vec::new(),
            atomic: false,
            share: None,
            facts: false,
            application: None,
            row_key: None,
            values: None,
        }
    }
}

impl Request {
    /// Appends the body. Fields at their defaults are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new(out);
        body.text("op", self.op.as_str());
        if let Some(session) = self.session {
            body.counter("s", session);
        }
        body.flag("chain", self.chain);
        if self.credit != DEFAULT_CREDIT {
            body.integer("credit", self.credit.into());
        }
        if let Some(deadline) = self.deadline_ms {
            body.integer("deadline_ms", deadline.into());
        }
        if let Some(caller) = &self.caller {
            body.text("caller", caller);
        }
        if let Some(trace) = &self.traceparent {
            body.text("trace", trace);
        }
        if let Some(sql) = &self.sql {
            body.text("sql", sql);
        }
        if !self.binds.is_empty() {
            self.binds.encode(&mut body, "binds");
        }
        if let Some(target) = &self.target {
            body.text("!target", &target.to_string());
        }
        if let Some(rows) = self.max_rows {
            body.counter("!max_rows", rows);
        }
        body.flag("!read_only", self.read_only);
        if let Some(hash) = self.fields_hash {
            body.counter("fh", hash);
        }
        if self.warnings != 0 {
            body.integer("warnings", self.warnings.into());
        }
        if let Some(position) = &self.position {
            body.binary("!position", position);
        }
        if let Some(state) = &self.state {
            body.document("state", |document| state.encode(document));
        }
        if let Some(begin) = &self.begin {
            body.document("begin", |document| begin.encode(document));
        }
        if !self.items.is_empty() {
            body.array("items", |array| {
                for (at, item) in self.items.iter().enumerate() {
                    array.document(index(at, &mut [0; 20]), |document| item.encode(document));
                }
            });
        }
        body.flag("atomic", self.atomic);
        if let Some(share) = self.share {
            body.text("share", share.as_str());
        }
        body.flag("facts", self.facts);
        if let Some(application) = &self.application {
            body.text("app", application);
        }
        if let Some(key) = &self.row_key {
            body.text("row_key", key);
        }
        if let Some(values) = &self.values {
            body.document("values", |document| values.encode(document));
        }
        body.finish();
    }

    /// Reads the body of a REQUEST, and checks that it has what its `op` needs.
    pub fn decode(body: &[u8]) -> Result<Request, ProtocolError> {
        let fields = Fields::open(body)?;
        let (mut op, mut session, mut chain, mut credit, mut deadline) = (None, None, None, None, None);
        let (mut caller, mut trace, mut sql, mut binds, mut target) = (None, None, None, None, None);
        let (mut max_rows, mut read_only, mut hash, mut warnings, mut position) = (None, None, None, None, None);
        let (mut state, mut begin, mut items, mut atomic) = (None, None, None, None);
        let (mut share, mut facts, mut application, mut row_key, mut values) = (None, None, None, None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "op" => {
                    let name = field.text()?;
                    let known = Op::parse(name).ok_or_else(|| ProtocolError::UnknownOp(shortened(name)))?;
                    field.put(&mut op, known)?
                }
                "s" => field.put(&mut session, session_id(&field)?)?,
                "chain" => field.put(&mut chain, field.boolean()?)?,
                "credit" => field.put(&mut credit, credit_bytes(&field)?)?,
                "deadline_ms" => field.put(&mut deadline, field.u32()?)?,
                "caller" => field.put(&mut caller, field.text_within(MAX_NAME)?.to_owned())?,
                "trace" => field.put(&mut trace, field.text_within(MAX_NAME)?.to_owned())?,
                "sql" => field.put(&mut sql, field.text()?.to_owned())?,
                "binds" => field.put(&mut binds, Binds::decode(field.document()?)?)?,
                "!target" => field.put(&mut target, target_of(&field)?)?,
                "!max_rows" => field.put(&mut max_rows, field.positive()?)?,
                "!read_only" => field.put(&mut read_only, field.boolean()?)?,
                "fh" => field.put(&mut hash, field.counter()?)?,
                "warnings" => field.put(&mut warnings, field.u32()?)?,
                "!position" => field.put(&mut position, field.binary_within(MAX_POSITION)?.to_vec())?,
                "state" => field.put(&mut state, SessionState::decode(field.document()?)?)?,
                "begin" => field.put(&mut begin, BeginOptions::decode(field.document()?)?)?,
                "items" => {
                    let list = field.array()?.map(|item| BatchItem::decode(item?.document()?));
                    field.put(&mut items, list.collect::<Result<Vec<BatchItem>, ProtocolError>>()?)?
                }
                "atomic" => field.put(&mut atomic, field.boolean()?)?,
                "share" => field.put(&mut share, share_of(&field)?)?,
                "facts" => field.put(&mut facts, field.boolean()?)?,
                "app" => field.put(&mut application, field.text_within(MAX_NAME)?.to_owned())?,
                "row_key" => field.put(&mut row_key, field.text_within(MAX_POSITION)?.to_owned())?,
                "values" => field.put(&mut values, SessionValues::decode(field.document()?)?)?,
                _ => field.unknown()?,
            }
        }
        let request = Request {
            op: op.ok_or(ProtocolError::MissingField("op"))?,
            session,
            chain: chain.unwrap_or(false),
            credit: credit.unwrap_or(DEFAULT_CREDIT),
            deadline_ms: deadline,
            caller,
            traceparent: trace,
            sql,
            binds: binds.unwrap_or_default(),
            target,
            max_rows,
            read_only: read_only.unwrap_or(false),
            fields_hash: hash,
            warnings: warnings.unwrap_or(0),
            position,
            state,
            begin,
            items: items.unwrap_or_default(),
            atomic: atomic.unwrap_or(false),
            share,
            facts: facts.unwrap_or(false),
            application,
            row_key,
            values,
        };
        request.check()?;
        Ok(request)
    }

    /// What the `op` needs must be there.
    fn check(&self) -> Result<(), ProtocolError> {
        match self.op {
            Op::Execute | Op::Describe if self.sql.is_none() => Err(ProtocolError::MissingField("sql")),
            Op::Batch if self.items.is_empty() => Err(ProtocolError::MissingField("items")),
            Op::Batch if self.items[0].sql.is_none() => Err(ProtocolError::MissingField("sql")),
            Op::Open | Op::Close | Op::Reset | Op::Begin | Op::Commit | Op::Rollback | Op::Reserve
                if self.session.is_none() =>
            {
                Err(ProtocolError::MissingField("s"))
            }
            _ => Ok(()),
        }
    }
}

impl BatchItem {
    fn encode(&self, document: &mut Writer<'_>) {
        if let Some(sql) = &self.sql {
            document.text("sql", sql);
        }
        if !self.binds.is_empty() {
            self.binds.encode(document, "binds");
        }
    }

    fn decode(fields: Fields<'_>) -> Result<BatchItem, ProtocolError> {
        let (mut sql, mut binds) = (None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "sql" => field.put(&mut sql, field.text()?.to_owned())?,
                "binds" => field.put(&mut binds, Binds::decode(field.document()?)?)?,
                _ => field.unknown()?,
            }
        }
        Ok(BatchItem { sql, binds: binds.unwrap_or_default() })
    }
}

fn session_id(field: &Field<'_>) -> Result<u64, ProtocolError> {
    match field.positive()? {
        0 => Err(field.error("session ids begin at 1")),
        id if id < ID_LIMIT => Ok(id),
        _ => Err(field.error("is out of range")),
    }
}

fn share_of(field: &Field<'_>) -> Result<Share, ProtocolError> {
    Share::parse(field.text()?).ok_or_else(|| field.error("is none of off, next and running"))
}

fn credit_bytes(field: &Field<'_>) -> Result<u32, ProtocolError> {
    let bytes = field.u32()?;
    if i64::from(bytes) < CREDIT_LIMIT { Ok(bytes) } else { Err(field.error("is out of range")) }
}

pub(super) fn target_of(field: &Field<'_>) -> Result<Target, ProtocolError> {
    field.text()?.parse().map_err(|error: crate::target::TargetError| field.error(error.to_string()))
}
