//! One session with a target, whichever protocol it speaks.

use vitrail_client::{Binds, Session};
use vitrail_mysql::{Response, RowsOrEnd};
use vitrail_proto::error::Executed;

use crate::statement::Statement;

/// Bytes of rows that are read at a time.
const BATCH: usize = 256 << 10;

/// A session: of a Vitrail client, or a connection to MySQL.
pub struct Connection(Driver);

enum Driver {
    Vitrail(Box<Session>),
    MySql(Box<vitrail_mysql::Connection>),
}

/// The cells of a row, as text.
pub type Cells = Vec<Option<String>>;

/// What a statement answered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Rows returned.
    pub rows: u64,
    /// Rows affected.
    pub affected: u64,
    /// Cells of the first row, if they were wanted.
    pub first: Cells,
}

/// Why something did not work, as the report counts it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// What it is counted under: `1213`, `overloaded`, `wrong answer`.
    pub code: String,
    /// What the server said.
    pub message: String,
    /// Whether it may have been executed all the same.
    pub executed: Executed,
    /// The connection is of no use any more.
    pub lost: bool,
    /// A transaction that met it may be run again: deadlocks, overload.
    pub retryable: bool,
}

impl Failure {
    /// An answer that is not what it has to be.
    pub fn wrong(message: impl Into<String>) -> Failure {
        Failure {
            code: "wrong answer".into(),
            message: message.into(),
            executed: Executed::Partial,
            lost: false,
            retryable: false,
        }
    }
}

impl From<vitrail_client::Error> for Failure {
    fn from(error: vitrail_client::Error) -> Failure {
        let code = match error.errno() {
            0 => error.code().as_str().to_owned(),
            errno => format!("{} {errno}", error.code().as_str()),
        };
        Failure {
            code,
            message: error.message().to_owned(),
            executed: error.executed(),
            lost: error.is_closed() || error.is_connect(),
            retryable: error.is_retryable(),
        }
    }
}

impl From<vitrail_mysql::Error> for Failure {
    fn from(error: vitrail_mysql::Error) -> Failure {
        match error.server() {
            Some(server) => Failure {
                code: server.errno.to_string(),
                message: server.message.clone(),
                executed: Executed::No,
                lost: server.is_fatal(),
                retryable: server.is_retryable(),
            },
            None => Failure {
                code: "connection".into(),
                message: error.to_string(),
                executed: Executed::Unknown,
                lost: true,
                retryable: false,
            },
        }
    }
}

impl Connection {
    pub(crate) fn vitrail(session: Session) -> Connection {
        Connection(Driver::Vitrail(Box::new(session)))
    }

    pub(crate) fn mysql(connection: vitrail_mysql::Connection) -> Connection {
        Connection(Driver::MySql(Box::new(connection)))
    }

    /// Runs a statement and reads all of its answer.
    ///
    /// # Errors
    ///
    /// What the server or the connection said.
    pub async fn run(&mut self, statement: &Statement, binds: &Binds, first: bool) -> Result<Answer, Failure> {
        match &mut self.0 {
            Driver::Vitrail(session) => run_vitrail(session, statement, binds, first).await,
            Driver::MySql(connection) => run_mysql(connection, &statement.literal(binds)?, first).await,
        }
    }

    /// Runs a statement, and gives all its rows.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn rows(&mut self, statement: &Statement, binds: &Binds) -> Result<Vec<Cells>, Failure> {
        let mut rows = Vec::new();
        let mut keep = |cells| rows.push(cells);
        match &mut self.0 {
            Driver::Vitrail(session) => {
                answered(session.query(statement.template(), binds).await?, usize::MAX, &mut keep).await?;
            }
            Driver::MySql(connection) => {
                read_mysql(connection, &statement.literal(binds)?, usize::MAX, &mut keep).await?;
            }
        }
        Ok(rows)
    }

    /// Runs a text without binds.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn text(&mut self, sql: &str) -> Result<Answer, Failure> {
        match &mut self.0 {
            Driver::Vitrail(session) => first_of(session.query(sql, ()).await?, true).await,
            Driver::MySql(connection) => run_mysql(connection, sql, true).await,
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn begin(&mut self) -> Result<(), Failure> {
        self.text("BEGIN").await.map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn commit(&mut self) -> Result<(), Failure> {
        self.text("COMMIT").await.map(drop)
    }

    /// Rolls back what a failure has left open.
    pub async fn roll_back(&mut self) {
        // A lost connection has rolled back.
        let _ = self.text("ROLLBACK").await;
    }
}

async fn run_vitrail(
    session: &mut Session,
    statement: &Statement,
    binds: &Binds,
    first: bool,
) -> Result<Answer, Failure> {
    first_of(session.query(statement.template(), binds).await?, first).await
}

async fn first_of(rows: vitrail_client::Rows<'_>, first: bool) -> Result<Answer, Failure> {
    let mut cells = Vec::new();
    let mut answer = answered(rows, usize::from(first), &mut |row| cells = row).await?;
    answer.first = cells;
    Ok(answer)
}

/// Reads an answer to its end; `keep` gets the first `most` rows.
async fn answered(
    mut rows: vitrail_client::Rows<'_>,
    most: usize,
    keep: &mut (dyn FnMut(Cells) + Send),
) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    while let Some(row) = rows.next().await? {
        if answer.rows < most as u64 {
            keep((0..row.len()).map(|index| row.raw(index).map(text)).collect());
        }
        answer.rows += 1;
    }
    answer.affected = rows.outcome().map_or(0, |outcome| outcome.affected);
    Ok(answer)
}

async fn run_mysql(connection: &mut vitrail_mysql::Connection, sql: &str, first: bool) -> Result<Answer, Failure> {
    let mut cells = Vec::new();
    let mut answer = read_mysql(connection, sql, usize::from(first), &mut |row| cells = row).await?;
    answer.first = cells;
    Ok(answer)
}

/// Reads an answer to its end; `keep` gets the first `most` rows.
pub(crate) async fn read_mysql(
    connection: &mut vitrail_mysql::Connection,
    sql: &str,
    most: usize,
    keep: &mut (dyn FnMut(Cells) + Send),
) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    match connection.query(sql.as_bytes()).await? {
        Response::Ok(end) => answer.affected = end.affected,
        Response::Columns(_) => loop {
            match connection.next_rows(BATCH).await? {
                RowsOrEnd::End(_) => break,
                RowsOrEnd::Rows(batch) => {
                    let left = most.saturating_sub(usize::try_from(answer.rows).unwrap_or(usize::MAX));
                    if left > 0 {
                        for row in batch.rows().take(left).flatten() {
                            keep(row.cells().flatten().map(|cell| cell.map(text)).collect());
                        }
                    }
                    answer.rows += u64::from(batch.count);
                }
            }
        },
    }
    Ok(answer)
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}
