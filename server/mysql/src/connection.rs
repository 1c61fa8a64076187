//! One connection to a server, driven by one task.
//!
//! A command is sent, its response is read, and then its rows and further results are pulled:
//!
//! ```text
//! send ─▶ response ─┬─ Response::Ok ─────────────────────────┬─▶ ready, or response() again if MORE_RESULTS
//!                   └─ Response::Columns ─▶ next_rows … End ─┘
//! ```
//!
//! **Dropped futures.** [`Connection::response`] and [`Connection::next_rows`] may be dropped and called again: nothing that was received
//! gets lost. So a task can wait for rows and for a cancel at once, have the statement killed, and read on to its end. A future
//! that *sends* (`send`, and all that begins with it) breaks the connection if it is dropped half-way: [`Connection::is_clean`] then
//! says no for ever, and the next command fails instead of reading another one's answer.
//!
//! **Several statements** may go out at once (see `pipeline`): their answers come one after the other.

mod pipeline;

use std::any::Any;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};
use vitrail_proto::rows::RowBatch;

use crate::capability::{self, Capabilities};
use crate::error::{Error, Result, Sent};
use crate::flavour::{Flavour, Version};
use crate::handshake::{self, Session};
use crate::options::ConnectOptions;
use crate::packet::{Channel, Rows, Scan};
use crate::response::{Change, End, Status, server_error};
use crate::wire::Reader;

/// Tries to take a kill that came late before a connection is given up.
const SETTLE_ATTEMPTS: usize = 4;
/// MySQL allows 4096 columns in a table; a result may have some more, yet not without bound.
const MAX_COLUMNS: u64 = 65_535;

/// The beginning of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// A result without columns, complete.
    Ok(End),
    /// A result with columns: rows follow.
    Columns(Columns),
}

/// Packed column definitions: `count` times (u32 length, ColumnDefinition41), as the server sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The packed bytes.
    pub packed: Bytes,
    /// How many columns.
    pub count: u32,
}

/// What follows the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsOrEnd {
    /// At least one row.
    Rows(RowBatch),
    /// No more rows in this result.
    End(End),
}

/// Where a connection stands in the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A command may be sent.
    Ready,
    /// A command is being sent.
    Sending,
    /// The beginning of a result comes next.
    Response,
    /// So many column definitions are missing.
    Columns { count: u32, missing: u32 },
    /// The EOF between columns and rows comes next (old form).
    ColumnsEnd { count: u32 },
    /// Rows, or their end.
    Rows,
    /// Lost, or out of step with the server.
    Broken,
}

/// A connection. See the module on what may be dropped when.
pub struct Connection {
    channel: Channel,
    state: State,
    /// Column definitions of the result that is beginning.
    columns: BytesMut,
    options: Arc<ConnectOptions>,
    capabilities: Capabilities,
    flavour: Flavour,
    version: Version,
    version_text: String,
    thread_id: u64,
    status: Status,
    /// Written by session tracking, read by `reset`.
    schema_changed: bool,
    max_allowed_packet: u64,
    /// Statements that were sent behind the one whose answer is being read.
    following: usize,
    created: Instant,
    /// Written and read by the owner of the connection; see [`Connection::memo`].
    memo: Option<Box<dyn Any + Send + Sync>>,
}

impl Connection {
    /// Connects, logs in and prepares the session (utf8mb4, session tracking), all within `options.connect_timeout`.
    pub async fn connect(options: &ConnectOptions) -> Result<Connection> {
        Connection::connect_shared(&Arc::new(options.clone())).await
    }

    /// The same, sharing the options.
    pub async fn connect_shared(options: &Arc<ConnectOptions>) -> Result<Connection> {
        let limit = options.connect_timeout;
        match timeout(limit, Connection::open(options)).await {
            Ok(result) => result.map_err(|error| handshake::refused(options, error)),
            Err(_) => Err(Error::ConnectTimeout { address: options.address.to_string(), limit }),
        }
    }

    async fn open(options: &Arc<ConnectOptions>) -> Result<Connection> {
        let Session { channel, greeting, capabilities, flavour, version, end } = handshake::open(options).await?;
        let mut connection = Connection {
            channel,
            state: State::Ready,
            columns: BytesMut::new(),
            options: options.clone(),
            capabilities,
            flavour,
            version,
            version_text: greeting.version_text,
            thread_id: u64::from(greeting.thread_id),
            status: end.status,
            schema_changed: false,
            max_allowed_packet: 1 << 20,
            following: 0,
            created: Instant::now(),
            memo: None,
        };
        connection.set_up().await?;
        // The greeting has 32 bits of the id; KILL wants all of it.
        let row = connection.fetch_row("SELECT CONNECTION_ID(), @@max_allowed_packet").await?;
        let number = |at: usize| row.get(at).and_then(|cell| cell.as_deref()).and_then(|text| text.parse().ok());
        connection.thread_id = number(0).ok_or(Error::Protocol("CONNECTION_ID() is no number"))?;
        connection.max_allowed_packet = number(1).ok_or(Error::Protocol("max_allowed_packet is no number"))?;
        Ok(connection)
    }

    /// Sends a statement and reads the beginning of its result.
    ///
    /// Errors: [`Error::Server`] leaves the connection usable (unless fatal); all others break it, except [`Error::TooLarge`]
    /// and [`Error::NotReady`], which come before anything is sent.
    pub async fn query(&mut self, sql: &[u8]) -> Result<Response> {
        self.send(sql).await?;
        self.response().await
    }

    /// Sends a statement; [`Connection::response`] comes next. Breaks the connection if dropped.
    pub async fn send(&mut self, sql: &[u8]) -> Result<()> {
        self.send_with(sql, &[]).await
    }

    /// Reads the beginning of the next result: after `send`, and after an end whose status says [`Status::more_results`].
    /// May be dropped and called again.
    pub async fn response(&mut self) -> Result<Response> {
        let result = self.read_response().await;
        self.settle_state(result)
    }

    /// The next rows of a result with columns, packed, about `max_bytes` of them, or its end. A batch holds at least one row and at
    /// most what has arrived: it is not held back to be filled. May be dropped and called again.
    pub async fn next_rows(&mut self, max_bytes: usize) -> Result<RowsOrEnd> {
        let result = self.read_rows(max_bytes).await;
        self.settle_state(result)
    }

    /// Reads and drops everything up to the end of the last result, which it returns. Returns `None` on a connection that is ready.
    /// A statement's error is the error of this.
    pub async fn drain(&mut self) -> Result<Option<End>> {
        let mut last = None;
        loop {
            match self.state {
                State::Ready => return Ok(last),
                State::Sending | State::Broken => return Err(self.not_ready()),
                State::Rows => {
                    if let RowsOrEnd::End(end) = self.next_rows(64 << 10).await? {
                        last = Some(end);
                    }
                }
                State::Response | State::Columns { .. } | State::ColumnsEnd { .. } => {
                    if let Response::Ok(end) = self.response().await? {
                        last = Some(end);
                    }
                }
            }
        }
    }

    /// Asks the server for a sign of life; refreshes [`Connection::status`], which error packets do not carry.
    pub async fn ping(&mut self) -> Result<()> {
        self.simple(capability::COM_PING, &[]).await.map(|_| ())
    }

    /// Takes the session back to how it was after `connect`: rolls back, drops temporary tables and user variables, releases locks,
    /// and sets the session up anew.
    pub async fn reset(&mut self) -> Result<()> {
        self.memo = None;
        let end = self.simple(capability::COM_RESET_CONNECTION, &[]).await?;
        self.status = end.status;
        if self.schema_changed {
            if let Some(database) = self.options.database.clone() {
                self.simple(capability::COM_INIT_DB, database.as_bytes()).await?;
            }
            self.schema_changed = false;
        }
        self.set_up().await
    }

    /// Takes a KILL QUERY that may have arrived after the statement that it was meant for, so that the next statement is not
    /// hit. Call it once the statement's own result has been read to its end and KILL has been answered.
    pub async fn settle_after_kill(&mut self) -> Result<()> {
        for _ in 0..SETTLE_ATTEMPTS {
            match self.simple(capability::COM_QUERY, b"DO 0").await {
                Ok(_) => return Ok(()),
                Err(Error::Server(error)) if error.errno == Flavour::KILLED_ERRNO => {}
                Err(error) => return Err(error),
            }
        }
        self.state = State::Broken;
        Err(Error::NotReady("it is killed again and again"))
    }

    /// Says goodbye and closes the socket. Without it the server logs an aborted connection.
    pub async fn quit(mut self) {
        if self.state == State::Ready {
            // Whether the server still hears it makes no difference to us.
            let _ = self.channel.send_command(capability::COM_QUIT, &[]).await;
        }
    }

    /// The server's id of this connection, which KILL takes.
    pub fn thread_id(&self) -> u64 {
        self.thread_id
    }

    /// The text that the server greeted with.
    pub fn server_version(&self) -> &str {
        &self.version_text
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The server's family.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The status flags that the server sent last. An error packet has none: after one, [`Connection::ping`] fetches them.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The largest statement that the server takes, in bytes.
    pub fn max_allowed_packet(&self) -> u64 {
        self.max_allowed_packet
    }

    /// Whether the bytes travel under TLS.
    pub fn is_tls(&self) -> bool {
        self.channel.transport.is_tls()
    }

    /// What the owner remembers of the session, such as the variables that it has set. It stays with the connection through a pool;
    /// `None` after `connect` and after a reset, when the session is fresh.
    pub fn memo(&mut self) -> &mut Option<Box<dyn Any + Send + Sync>> {
        &mut self.memo
    }

    /// When it was opened.
    pub fn created(&self) -> Instant {
        self.created
    }

    /// What it was opened with.
    pub fn options(&self) -> &Arc<ConnectOptions> {
        &self.options
    }

    /// Ready for a command, with nothing left over from the one before.
    pub fn is_clean(&self) -> bool {
        self.state == State::Ready && self.following == 0 && self.channel.is_drained()
    }

    /// Lost, or out of step with the server: good for nothing but being dropped. A connection whose result is half-read is neither
    /// clean nor broken.
    pub fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken | State::Sending)
    }

    /// Whether the server still holds an idle connection open, as far as has been heard. Costs no system call while nothing arrived.
    pub async fn is_alive(&mut self) -> bool {
        if !self.is_clean() || !self.channel.is_quiet().await {
            self.state = State::Broken;
        }
        self.state == State::Ready
    }

    /// Gives back the memory that reading needs. For connections that go idle.
    pub fn release_buffers(&mut self) {
        if self.state == State::Ready {
            self.channel.release_buffer();
            self.columns = BytesMut::new();
        }
    }

    /// Sends the statement that every session starts with.
    async fn set_up(&mut self) -> Result<()> {
        let setup = self.flavour.session_setup(self.version, &self.options.variables);
        self.simple(capability::COM_QUERY, setup.as_bytes()).await.map(|_| ())
    }

    /// A command whose answer is an OK.
    async fn simple(&mut self, command: u8, body: &[u8]) -> Result<End> {
        self.command(command, body).await?;
        match self.response().await? {
            Response::Ok(end) => Ok(end),
            Response::Columns(_) => {
                self.state = State::Broken;
                Err(Error::Protocol("rows where none were asked for"))
            }
        }
    }

    async fn command(&mut self, command: u8, body: &[u8]) -> Result<()> {
        self.commands(command, body, &[]).await
    }

    /// Sends one command, and others of the same kind behind it.
    async fn commands(&mut self, command: u8, body: &[u8], others: &[Bytes]) -> Result<()> {
        if self.state != State::Ready || self.following > 0 {
            return Err(self.not_ready());
        }
        self.state = State::Sending;
        match self.channel.send_commands(command, body, others).await {
            Ok(()) => {
                self.state = State::Response;
                self.following = others.len();
                Ok(())
            }
            Err(error) => {
                self.state = State::Broken;
                // A server that closes says why, if it can: shutdown, idle for too long, killed.
                Err(self.last_words().await.unwrap_or(error))
            }
        }
    }

    /// The error packet that a closing server left in the socket.
    async fn last_words(&mut self) -> Option<Error> {
        let payload = timeout(std::time::Duration::from_millis(100), self.channel.payload()).await.ok()?.ok()?;
        (payload.first() == Some(&0xff)).then(|| server_error(&payload))
    }

    fn not_ready(&self) -> Error {
        Error::NotReady(match self.state {
            State::Broken => "it was lost",
            State::Sending => "a statement was given up while it was sent",
            State::Ready => "answers of statements that were sent with the previous one were not read",
            _ => "the previous result was not read to its end",
        })
    }

    async fn read_response(&mut self) -> Result<Response> {
        loop {
            match self.state {
                State::Response => {
                    let payload = self.channel.payload().await?;
                    match payload.first() {
                        Some(0x00) => {
                            let end = End::parse_ok(&payload, self.capabilities)?;
                            self.ended(&end);
                            return Ok(Response::Ok(end));
                        }
                        Some(0xff) => return Err(server_error(&payload)),
                        Some(0xfb) => return Err(Error::Protocol("the server asks for a local file")),
                        _ => {
                            let count = Reader::new(&payload).lenenc()?;
                            if count == 0 || count > MAX_COLUMNS {
                                return Err(Error::Protocol("an impossible number of columns"));
                            }
                            let count = count as u32;
                            self.columns.clear();
                            self.state = State::Columns { count, missing: count };
                        }
                    }
                }
                State::Columns { count, missing: 0 } => {
                    self.state = if self.capabilities & capability::DEPRECATE_EOF == 0 {
                        State::ColumnsEnd { count }
                    } else {
                        State::Rows
                    };
                    if self.state == State::Rows {
                        return Ok(self.take_columns(count));
                    }
                }
                State::Columns { count, missing } => {
                    match self.channel.scan(Rows::Columns, usize::MAX, missing).await? {
                        Scan::Rows { bytes, count: got } => {
                            self.columns.extend_from_slice(&bytes);
                            self.state = State::Columns { count, missing: missing - got };
                        }
                        Scan::Control(payload) => return Err(server_error(&payload)),
                    }
                }
                State::ColumnsEnd { count } => {
                    let payload = self.channel.payload().await?;
                    match payload.first() {
                        Some(0xfe) => {
                            self.state = State::Rows;
                            return Ok(self.take_columns(count));
                        }
                        Some(0xff) => return Err(server_error(&payload)),
                        _ => return Err(Error::Protocol("no end after the columns")),
                    }
                }
                State::Ready | State::Rows | State::Sending | State::Broken => {
                    return Err(Error::NotReady("no result begins here"));
                }
            }
        }
    }

    fn take_columns(&mut self, count: u32) -> Response {
        Response::Columns(Columns { packed: self.columns.split().freeze(), count })
    }

    async fn read_rows(&mut self, max_bytes: usize) -> Result<RowsOrEnd> {
        if self.state != State::Rows {
            return Err(Error::NotReady("there are no rows to read"));
        }
        match self.channel.scan(Rows::Text, max_bytes.max(1), u32::MAX).await? {
            Scan::Rows { bytes, count } => Ok(RowsOrEnd::Rows(RowBatch { bytes, count })),
            Scan::Control(payload) if payload.first() == Some(&0xfe) => {
                let end = End::parse_eof(&payload, self.capabilities)?;
                self.ended(&end);
                Ok(RowsOrEnd::End(end))
            }
            Scan::Control(payload) => Err(server_error(&payload)),
        }
    }

    /// A result has ended well.
    fn ended(&mut self, end: &End) {
        self.status = end.status;
        self.schema_changed |= end.changes.iter().any(|change| matches!(change, Change::Schema(_)));
        self.state = if end.status.more_results() { State::Response } else { State::Ready };
    }

    /// What an error leaves of the connection.
    fn settle_state<T>(&mut self, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) | Err(Error::NotReady(_)) => {}
            Err(Error::Server(error)) if !error.is_fatal() => {
                self.state = State::Ready;
                if error.errno == 1213 {
                    // A deadlock's victim has lost its whole transaction, on both flavours.
                    self.status.0 &= !Status::IN_TRANSACTION;
                }
            }
            Err(_) => self.state = State::Broken,
        }
        result
    }
}

impl Error {
    /// Whether an idle connection failed before the server can have seen anything, so that another one may be tried.
    pub fn is_stale(&self) -> bool {
        matches!(self, Error::Io { sent: Sent::Nothing, .. })
    }
}
