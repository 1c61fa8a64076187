//! One session with a target, whichever protocol it speaks.

use std::pin::Pin;

use vitrail_client::{Binds, Session};
use vitrail_mysql::{Response, RowsOrEnd};
use vitrail_proto::error::Executed;

use crate::statement::{Statement, Values};

/// Bytes of rows that are read at a time.
const BATCH: usize = 256 << 10;

/// A session: of a Vitrail client, or a connection to MySQL.
pub struct Connection(Driver);

enum Driver {
    Vitrail(Box<Session>),
    MySql(Box<vitrail_mysql::Connection>),
}

/// The cells of a row, as text; NULL is `None`.
pub type Cells = Vec<Option<String>>;

/// Takes a row: its number from 0, the index of a cell, and the cell; false if no more cells are wanted.
type Take<'a> = dyn FnMut(u64, usize, Option<&[u8]>) -> bool + Send + 'a;

/// What a statement answered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Rows returned.
    pub rows: u64,
    /// Rows affected.
    pub affected: u64,
    /// Cells of the first row, where they are kept.
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

    /// Runs a statement and reads all of its answer; `first` sees the cells of its first row.
    ///
    /// # Errors
    ///
    /// What the server or the connection said.
    pub async fn run(
        &mut self,
        statement: &Statement,
        values: &impl Values,
        mut first: impl FnMut(usize, Option<&[u8]>) + Send,
    ) -> Result<Answer, Failure> {
        let mut take = |row, index, cell: Option<&[u8]>| {
            let wanted = row == 0;
            if wanted {
                first(index, cell);
            }
            wanted
        };
        match &mut self.0 {
            Driver::Vitrail(session) => {
                run_vitrail(session, statement.template(), statement.binds(values)?, &mut take).await
            }
            Driver::MySql(connection) => run_mysql(connection, &statement.literal(values)?, &mut take).await,
        }
    }

    /// Runs a statement, and keeps its first row.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn answer(&mut self, statement: &Statement, values: &impl Values) -> Result<Answer, Failure> {
        let mut first = Cells::new();
        let answer = self.run(statement, values, |_, cell| first.push(cell.map(text))).await?;
        Ok(Answer { first, ..answer })
    }

    /// Runs a statement, and gives all its rows.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn rows(&mut self, statement: &Statement, values: &impl Values) -> Result<Vec<Cells>, Failure> {
        let mut rows: Vec<Cells> = Vec::new();
        let mut take = |_, index, cell: Option<&[u8]>| {
            if index == 0 {
                rows.push(Cells::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push(cell.map(text));
            }
            true
        };
        match &mut self.0 {
            Driver::Vitrail(session) => {
                run_vitrail(session, statement.template(), statement.binds(values)?, &mut take).await?;
            }
            Driver::MySql(connection) => {
                run_mysql(connection, &statement.literal(values)?, &mut take).await?;
            }
        }
        Ok(rows)
    }

    /// Runs a text without binds, and keeps its first row.
    ///
    /// # Errors
    ///
    /// As [`run`](Connection::run).
    pub async fn text(&mut self, sql: &str) -> Result<Answer, Failure> {
        let mut first = Cells::new();
        let mut take = |row, _, cell: Option<&[u8]>| {
            if row == 0 {
                first.push(cell.map(text));
            }
            row == 0
        };
        let answer = match &mut self.0 {
            Driver::Vitrail(session) => run_vitrail(session, sql, Binds::new(), &mut take).await?,
            Driver::MySql(connection) => run_mysql(connection, sql, &mut take).await?,
        };
        Ok(Answer { first, ..answer })
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

/// Boxed, since the client's futures are large: whoever waits for a statement of either protocol would be moved about at their size.
fn run_vitrail<'a>(
    session: &'a mut Session,
    sql: &'a str,
    binds: Binds,
    take: &'a mut Take<'_>,
) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>> {
    Box::pin(async move {
        let mut rows = session.query(sql, binds).await?;
        let mut answer = Answer::default();
        while let Some(row) = rows.next().await? {
            let _ = (0..row.len()).all(|index| take(answer.rows, index, row.raw(index)));
            answer.rows += 1;
        }
        answer.affected = rows.outcome().map_or(0, |outcome| outcome.affected);
        Ok(answer)
    })
}

/// Reads an answer to its end.
pub(crate) async fn run_mysql(
    connection: &mut vitrail_mysql::Connection,
    sql: &str,
    take: &mut Take<'_>,
) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    match connection.query(sql.as_bytes()).await? {
        Response::Ok(end) => answer.affected = end.affected,
        Response::Columns(_) => loop {
            match connection.next_rows(BATCH).await? {
                RowsOrEnd::End(_) => break,
                RowsOrEnd::Rows(batch) => {
                    // Walked only as far as its rows are wanted.
                    for (row, cells) in (answer.rows..).zip(batch.rows().flatten()) {
                        if !cells.cells().flatten().enumerate().all(|(index, cell)| take(row, index, cell)) {
                            break;
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
