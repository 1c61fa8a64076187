//! What a statement answered, and the two ways to ask: one MySQL, and Vitrail.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use vitrail_client::{Error, Query, Session};
use vitrail_mysql::{Connection, Error as MysqlError, Response, RowsOrEnd};
use vitrail_proto::error::Code;
use vitrail_proto::rows;

/// Rows read at a time from the one MySQL, in bytes.
const BATCH: usize = 256 << 10;

/// No statement of the suite takes nearly so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A cell as MySQL's text; NULL is `None`.
pub type Cell = Option<Vec<u8>>;

/// A row.
pub type Row = Vec<Cell>;

/// What a statement answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows.
    Rows(Rows),
    /// No rows: what it did.
    Done(Done),
    /// An error.
    Failed(Failed),
}

/// Rows with their columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// In order.
    pub columns: Vec<Column>,
    /// In the order in which they came.
    pub rows: Vec<Row>,
    /// How many warnings there are.
    pub warnings: u32,
    /// A transaction is open afterwards.
    pub in_transaction: bool,
}

/// What is said of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name or alias.
    pub name: String,
    /// MySQL's type code.
    pub type_code: u8,
    /// MySQL's number of a collation.
    pub charset: u16,
    /// MySQL's flags.
    pub flags: u16,
    /// Digits after the point; 31: none given.
    pub decimals: u8,
}

/// What a statement without rows did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Affected rows.
    pub affected: u64,
    /// `LAST_INSERT_ID`, 0 for none.
    pub insert_id: u64,
    /// How many warnings there are.
    pub warnings: u32,
    /// A transaction is open afterwards.
    pub in_transaction: bool,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// MySQL's number.
    pub errno: u16,
    /// Its text.
    pub message: String,
    /// Vitrail does not support the statement, and has not run it.
    pub refused: bool,
}

impl Answer {
    /// One line.
    pub fn summary(&self) -> String {
        match self {
            Answer::Rows(rows) => format!("{} rows", rows.rows.len()),
            Answer::Done(done) => format!("{} affected", done.affected),
            Answer::Failed(failed) => format!("error {}: {}", failed.errno, failed.message),
        }
    }
}

/// Asks Vitrail.
///
/// # Errors
///
/// A connection that is lost: an error of the statement is an answer.
pub async fn of_vitrail(session: &mut Session, sql: &str) -> Result<Answer> {
    let answer = async {
        let mut rows = session.query(Query::new(sql).deadline(LIMIT), ()).await?;
        let columns: Vec<Column> = rows
            .columns()
            .iter()
            .map(|column| Column {
                name: column.name.to_string(),
                type_code: column.type_code,
                charset: column.charset,
                flags: column.flags,
                decimals: column.decimals,
            })
            .collect();
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push((0..row.len()).map(|index| row.raw(index).map(<[u8]>::to_vec)).collect());
        }
        let end = rows.finish().await?;
        let (warnings, in_transaction) = (end.warnings, end.in_transaction);
        Ok::<_, Error>(if columns.is_empty() {
            let insert_id = end.insert_id.unwrap_or(0);
            Answer::Done(Done { affected: end.affected, insert_id, warnings, in_transaction })
        } else {
            Answer::Rows(Rows { columns, rows: all, warnings, in_transaction })
        })
    };
    match answer.await {
        Ok(answer) => Ok(answer),
        Err(error) => match error.as_server_error() {
            Some(body) => Ok(Answer::Failed(Failed {
                errno: body.errno,
                message: body.message.clone(),
                refused: body.code == Code::Unsupported,
            })),
            None => Err(anyhow!(error).context(format!("asking Vitrail: {sql}"))),
        },
    }
}

/// Asks one MySQL.
///
/// # Errors
///
/// A connection that is lost: an error of the statement is an answer.
pub async fn of_mysql(connection: &mut Connection, sql: &str) -> Result<Answer> {
    let failed = |error: MysqlError| match error.server() {
        Some(error) => {
            Ok(Answer::Failed(Failed { errno: error.errno, message: error.message.clone(), refused: false }))
        }
        None => Err(anyhow!(error).context(format!("asking one MySQL: {sql}"))),
    };
    let packed = match connection.query(sql.as_bytes()).await {
        Err(error) => return failed(error),
        Ok(Response::Ok(end)) => {
            return Ok(Answer::Done(Done {
                affected: end.affected,
                insert_id: end.insert_id,
                warnings: end.warnings.into(),
                in_transaction: end.status.in_transaction(),
            }));
        }
        Ok(Response::Columns(columns)) => columns.packed,
    };
    let columns = rows::columns(&packed)
        .map(|column| {
            let column = column?;
            Ok(Column {
                name: column.name.into_owned(),
                type_code: column.column_type.0,
                charset: column.charset,
                flags: column.flags,
                decimals: column.decimals,
            })
        })
        .collect::<Result<_>>()
        .with_context(|| format!("columns of {sql}"))?;
    let mut all = Vec::new();
    loop {
        match connection.next_rows(BATCH).await {
            Err(error) => return failed(error),
            Ok(RowsOrEnd::Rows(batch)) => {
                for row in batch.rows() {
                    all.push(row?.cells().map(|cell| Ok(cell?.map(<[u8]>::to_vec))).collect::<Result<_>>()?);
                }
            }
            Ok(RowsOrEnd::End(end)) => {
                return Ok(Answer::Rows(Rows {
                    columns,
                    rows: all,
                    warnings: end.warnings.into(),
                    in_transaction: end.status.in_transaction(),
                }));
            }
        }
    }
}
