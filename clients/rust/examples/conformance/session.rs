//! What a session does: orders one after the other, in a transaction and outside, and while a stream is read.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, oneshot};
use vitrail_client::{Batch, BeginOptions, Binds, Error, Query, Row, Session};

use crate::describe::{binds, cells, failure, text};

/// A command, and where its answer goes.
pub(crate) struct Order {
    pub(crate) command: Json,
    pub(crate) answer: oneshot::Sender<Json>,
}

type Orders = mpsc::UnboundedReceiver<Order>;

/// Runs a session until it is closed.
pub(crate) async fn serve(mut session: Session, mut orders: Orders) {
    while let Some(Order { command, answer }) = orders.recv().await {
        match text(&command, "do").as_str() {
            "begin" => {
                let options = BeginOptions { read_only: command["read_only"].as_bool(), ..BeginOptions::default() };
                if transaction(&mut session, options, answer, &mut orders).await {
                    return close(session, None).await;
                }
            }
            "close" => return close(session, Some(answer)).await,
            // What was lost with a connection is acknowledged by it.
            "rollback" => drop(answer.send(done(session.execute("rollback", ()).await.map(drop)))),
            "commit" => drop(answer.send(done(session.execute("commit", ()).await.map(drop)))),
            _ => run(&mut session, command, answer, &mut orders).await,
        }
    }
}

/// A transaction, until its end. True: the session was closed in it.
async fn transaction(
    session: &mut Session,
    options: BeginOptions,
    begun: oneshot::Sender<Json>,
    orders: &mut Orders,
) -> bool {
    let mut transaction = match session.begin_with(options).await {
        Ok(transaction) => transaction,
        Err(error) => {
            let _ = begun.send(failure(&error));
            return false;
        }
    };
    let _ = begun.send(done(Ok(())));
    while let Some(Order { command, answer }) = orders.recv().await {
        match text(&command, "do").as_str() {
            "commit" => {
                let _ = answer.send(done(transaction.commit().await.map(drop)));
                return false;
            }
            "rollback" => {
                let _ = answer.send(done(transaction.rollback().await));
                return false;
            }
            "close" => {
                let ended = transaction.rollback().await;
                let _ = answer.send(done(ended));
                return true;
            }
            _ => run(&mut transaction, command, answer, orders).await,
        }
    }
    true
}

async fn close(session: Session, answer: Option<oneshot::Sender<Json>>) {
    let closed = session.close().await;
    if let Some(answer) = answer {
        let _ = answer.send(done(closed));
    }
}

/// A statement, a batch, or a stream with the orders that read it.
async fn run(session: &mut Session, command: Json, answer: oneshot::Sender<Json>, orders: &mut Orders) {
    let outcome = match text(&command, "do").as_str() {
        "batch" => batch(session, &command).await,
        "stream" => return stream(session, &command, answer, orders).await,
        _ => query(session, &command).await,
    };
    let _ = answer.send(outcome.unwrap_or_else(|error| failure(&error)));
}

async fn query(session: &mut Session, command: &Json) -> Result<Json, Error> {
    let (query, binds) = statement(command)?;
    let mut rows = session.query(query, binds).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(cells(&row));
    }
    let outcome = rows.finish().await?;
    let position = outcome.position.is_some_and(|position| !position.is_empty());
    let insert_id = outcome.insert_id.unwrap_or(0);
    Ok(json!({"ok": {"rows": found, "affected": outcome.affected, "insert_id": insert_id, "position": position}}))
}

async fn batch(session: &mut Session, command: &Json) -> Result<Json, Error> {
    let mut batch = Batch::new().atomic();
    for (at, row) in command["rows"].as_array().expect("an array").iter().enumerate() {
        batch = if at == 0 { batch.add(text(command, "sql"), binds(row)) } else { batch.again(binds(row)) };
    }
    let outcomes = session.batch(batch).await?;
    let affected: u64 = outcomes.iter().map(|outcome| outcome.affected).sum();
    Ok(json!({"ok": {"affected": affected}}))
}

async fn stream(session: &mut Session, command: &Json, answer: oneshot::Sender<Json>, orders: &mut Orders) {
    let opened = match statement(command) {
        Ok((query, binds)) => session.query(query, binds).await,
        Err(error) => Err(error),
    };
    let mut rows = match opened {
        Ok(rows) => rows,
        Err(error) => return drop(answer.send(failure(&error))),
    };
    let _ = answer.send(done(Ok(())));
    while let Some(Order { command, answer }) = orders.recv().await {
        if text(&command, "do") == "stop" {
            drop(rows);
            return drop(answer.send(done(Ok(()))));
        }
        let mut found = Vec::new();
        let mut failed = None;
        while found.len() < command["count"].as_u64().expect("a count") as usize {
            match rows.next().await {
                Ok(Some(row)) => found.push(row),
                Ok(None) => break,
                Err(error) => {
                    failed = Some(failure(&error));
                    break;
                }
            }
        }
        let rows: Vec<Json> = found.iter().map(|row: &Row| cells(row)).collect();
        let _ = answer.send(failed.unwrap_or_else(|| json!({"ok": {"rows": rows}})));
    }
}

fn statement(command: &Json) -> Result<(Query, Binds), Error> {
    let mut query = Query::new(text(command, "sql"));
    if let Some(milliseconds) = command["deadline_ms"].as_u64() {
        query = query.deadline(Duration::from_millis(milliseconds));
    }
    if let Some(rows) = command["max_rows"].as_u64() {
        query = query.max_rows(rows);
    }
    if let Some(target) = command["target"].as_str() {
        query = query.target(target.parse().expect("the target can be read"));
    }
    let mut all = binds(&command["binds"]);
    for (at, value) in command["values"].as_array().into_iter().flatten().enumerate() {
        all.set(format!("v{}", at + 1), crate::describe::value(value));
    }
    Ok((query, all))
}

fn done(result: Result<(), Error>) -> Json {
    match result {
        Ok(()) => json!({"ok": {}}),
        Err(error) => failure(&error),
    }
}
