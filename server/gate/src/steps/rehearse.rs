//! A write runs on the scratch server, over the rows that it concerns, and what it changes there is written to the shards.
//!
//! The rows are locked where they are read, and the statement runs under the session's own settings: its counts, warnings, errors and rows are those
//! of one MySQL. Triggers and foreign keys are not there; where they could change the outcome, the write is refused.

use std::collections::HashSet;

use vitrail_listener::responder::Responder;
use vitrail_planner::plan::{KEYS, Merge, Node, Rehearsal, ShardStatement, Verb, Window};
use vitrail_planner::schema::ColumnSchema;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Value;

use super::changes::Changes;
use super::keyed::bytes_of;
use super::rows::{Rows, cells, malformed};
use super::{BATCH, Done, Stepping, values};
use crate::answer::Answer;
use crate::exact::{Exacting, KeyPart, Stage};
use crate::reading::take;
use crate::session::Session;
use crate::{facts, failure};

/// What hangs on a table that is written.
pub(super) struct Hanging {
    /// Rows of other tables refer to its own.
    pub(super) parent: bool,
    /// Its rows refer to others.
    child: bool,
}

/// The table before and after.
struct Rehearsed {
    before: Rows,
    after: Rows,
    end: Box<ResultEnd>,
    unique: Vec<Vec<KeyPart>>,
}

impl Stepping<'_> {
    /// Rehearses the write, and writes what it changes.
    pub(super) async fn rehearse(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        self.enter(Node::Read);
        let hanging = self.hanging(session, rehearsal, done).await?;
        let resolved = self.steps.read(self.binds, &self.keyspace.layout)?;
        let exacting = Exacting { scope: self.scope, resolved: &resolved, binds: self.binds };
        let mut stage = exacting.stage().await?;
        let outcome = Box::pin(self.on_stage(session, rehearsal, &hanging, &mut stage, done)).await;
        let Rehearsed { before, after, end, unique } = stage.leave(outcome)?;
        let changes = Changes::between(rehearsal, &before, &after, &unique, hanging.parent)?;
        if !matches!(rehearsal.verb(), Verb::Delete) && hanging.parent && changes.leave_and_arrive() {
            return Err(refuse(rehearsal, "rows that others refer to would get other keys"));
        }
        if let Verb::Update { in_order: false } = rehearsal.verb()
            && rehearsal.collides()
            && changes.follow_each_other()
        {
            return Err(refuse(
                rehearsal,
                "rows get values of unique keys that others have before, so that the order in which MySQL changes them decides",
            ));
        }
        self.enter(Node::Write);
        self.write_changes(session, rehearsal, changes, done).await?;
        facts::and_then(&mut done.ran, end.ran.as_ref());
        done.end = *end;
        Ok(())
    }

    /// Runs it, between two looks at its table.
    async fn on_stage(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        hanging: &Hanging,
        stage: &mut Stage<'_>,
        done: &mut Done,
    ) -> Result<Rehearsed, ErrorBody> {
        let ran = stage.load(session, true).await?;
        facts::and_then(&mut done.ran, ran.as_ref());
        let unique = match rehearsal.collides() && rehearsal.verb() != Verb::InsertOne {
            true => stage.unique_keys().await?,
            false => Vec::new(),
        };
        if let Some(draft) = rehearsal.draft() {
            self.meet(session, rehearsal, (draft, &unique), stage, done).await?;
        }
        let look = format!("SELECT {} FROM {}", rehearsal.row().select, stage.written()?);
        let before = stage.rows(look.clone()).await?;
        let counts = rehearsal.row().columns.iter().any(|column| column.auto_increment);
        let counted = if counts { last_number(stage).await? } else { None };
        let (mut responder, replies) = Responder::channel(1);
        let run = async {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = stage.ask(None, None, &mut answer).await?;
            let reply = answer.finish(end);
            drop(responder);
            Ok(reply)
        };
        let ran = match &mut done.returned {
            Some(returned) => take(run, replies, &mut returned.rows).await,
            None => take(run, replies, &mut Rows::of(&self.keyspace.name)).await,
        };
        let end = ran.map_err(|error| judged(rehearsal, hanging, before.list.len(), error))?;
        if counts {
            let now = last_number(stage).await?;
            if now != counted && now != Some(session.last_insert_id) {
                return Err(refuse(rehearsal, "a row gives no value for its counted column"));
            }
        }
        let after = stage.rows(look).await?;
        Ok(Rehearsed { before, after, end: Box::new(end), unique })
    }

    /// Finds rows that new ones meet by any unique key, and puts them into the table.
    async fn meet(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        (draft, unique): (&str, &[Vec<KeyPart>]),
        stage: &mut Stage<'_>,
        done: &mut Done,
    ) -> Result<(), ErrorBody> {
        stage.open().await?;
        let (mut responder, replies) = Responder::channel(1);
        let run = async {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = stage.ask(Some(draft), None, &mut answer).await?;
            let reply = answer.finish(end);
            drop(responder);
            Ok(reply)
        };
        take(run, replies, &mut Rows::of(&self.keyspace.name)).await?;
        let row = rehearsal.row();
        let look = format!("SELECT {} FROM {}", row.select, stage.written()?);
        let new = stage.rows(look).await?;
        let mut met: Vec<Vec<Value>> = Vec::new();
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        let mut bytes = 0;
        for key in unique {
            let place = |part: &KeyPart| row.columns.iter().position(|column| column.name == part.column);
            let places: Option<Vec<usize>> = key.iter().map(place).collect();
            let places = places.ok_or_else(|| refuse(rehearsal, "a unique key is over a column that is computed"))?;
            let columns: Vec<&ColumnSchema> = places.iter().map(|place| rehearsal.column(*place)).collect();
            let mut keys: Vec<Vec<Value>> = Vec::new();
            let mut seen: HashSet<Vec<u8>> = HashSet::new();
            for row_of in &new.list {
                let cells = cells(row_of, row.columns.len() + usize::from(row.checked))?;
                let of_key: Vec<Option<&[u8]>> = places.iter().map(|place| cells[*place]).collect();
                // NULL meets nothing.
                if of_key.contains(&None) || !seen.insert(bytes_of(&of_key)) {
                    continue;
                }
                let value = |((cell, column), part): ((Option<&[u8]>, &&ColumnSchema), &KeyPart)| {
                    Ok::<_, ErrorBody>(cut(values::own(cell, column)?, part.length))
                };
                let key = of_key.into_iter().zip(&columns).zip(key).map(value);
                keys.push(key.collect::<Result<_, _>>()?);
            }
            for keys in keys.chunks(BATCH) {
                let found = self.rows_with(session, rehearsal, (key, keys), done).await?;
                for row_of in &found.list {
                    let cells = cells(row_of, row.columns.len() + usize::from(row.checked))?;
                    if !known.insert(bytes_of(&cells)) {
                        continue;
                    }
                    survives(rehearsal, &cells)?;
                    let values = cells.iter().zip(&row.columns).map(|(cell, column)| values::own(*cell, column));
                    met.push(values.collect::<Result<_, _>>()?);
                }
                bytes += found.bytes as u64;
            }
        }
        stage.close().await?;
        let on_stage = vitrail_planner::plan::Moving { table: stage.written()?.into(), ..row.clone() };
        for rows in met.chunks(BATCH) {
            let ShardStatement { sql, binds, .. } = self.insertion(&on_stage, "", 0, rows.to_vec());
            stage.put(sql.to_string(), binds, std::mem::take(&mut bytes)).await?;
        }
        Ok(())
    }

    /// Reads rows with these keys, and locks them.
    async fn rows_with(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        (key, keys): (&[KeyPart], &[Vec<Value>]),
        done: &mut Done,
    ) -> Result<Rows, ErrorBody> {
        let row = rehearsal.row();
        let name = |part: &KeyPart| {
            let name = format!("`{}`", part.column.replace('`', "``"));
            part.length.map_or_else(|| name.clone(), |length| format!("LEFT({name}, {length})"))
        };
        let names: Vec<String> = key.iter().map(name).collect();
        let names = if names.len() == 1 { names.concat() } else { format!("({})", names.join(", ")) };
        let text = format!("SELECT {} FROM {} WHERE {names} IN ::{KEYS} FOR UPDATE", row.select, row.table);
        let shards = if rehearsal.everywhere() { 0..1 } else { 0..self.keyspace.layout.len() };
        let statements = self.by_keys(&text, shards.map(|shard| (shard, keys.to_vec())).collect());
        let merge = if statements.len() == 1 { Merge::Pass } else { Merge::Concat(Window::default()) };
        let resolved = self.statements(statements, merge, true);
        Ok(self.read(session, &resolved, &self.neutral(), done).await?.0)
    }

    /// What hangs on the table.
    ///
    /// # Errors
    /// Something that would do more, or other things, than it would beside the statement itself.
    async fn hanging(
        &self,
        session: &mut Session,
        rehearsal: Rehearsal<'_>,
        done: &mut Done,
    ) -> Result<Hanging, ErrorBody> {
        let table = rehearsal.row().table.trim_matches('`').replace("``", "`");
        let of = |what: &str| {
            format!(
                "(SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND {what})"
            )
        };
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = \
             :vitrail_table), {}, {}, {}",
            of("TABLE_NAME = :vitrail_table AND REFERENCED_TABLE_NAME = :vitrail_table"),
            of("REFERENCED_TABLE_NAME = :vitrail_table"),
            of("TABLE_NAME = :vitrail_table"),
        );
        let binds = self.with([("vitrail_table".to_owned(), Value::Text(table))]);
        let resolved = self.statements(vec![ShardStatement { shard: 0, sql: sql.into(), binds }], Merge::Pass, false);
        let (rows, _) = self.read(session, &resolved, &self.neutral(), done).await?;
        let row = rows.list.first().ok_or_else(malformed)?;
        let none = |cell: Option<&[u8]>| cell == Some(b"0");
        let [triggers, itself, parent, child] = cells(row, 4)?[..] else { return Err(malformed()) };
        if !none(triggers) {
            return Err(refuse(rehearsal, "the table has triggers"));
        }
        if !none(itself) {
            return Err(refuse(rehearsal, "rows of the table refer to each other"));
        }
        let hanging = Hanging { parent: !none(parent), child: !none(child) };
        if self.steps.ignores() && (hanging.parent || hanging.child) {
            return Err(refuse(rehearsal, "the table has foreign keys, and what they forbid is to be ignored"));
        }
        if hanging.parent && self.steps.returns() && rehearsal.verb() == Verb::Delete {
            return Err(refuse(rehearsal, "rows that others refer to are given back while those may go"));
        }
        if hanging.parent && rehearsal.verb() == Verb::Replace {
            return Err(refuse(rehearsal, "rows that others refer to are replaced"));
        }
        Ok(hanging)
    }
}

/// The error of the statement itself, if it is the one that MySQL would find first.
fn judged(rehearsal: Rehearsal<'_>, hanging: &Hanging, rows: usize, error: ErrorBody) -> ErrorBody {
    let several = match rehearsal.verb() {
        Verb::InsertOne | Verb::Delete => false,
        Verb::Insert | Verb::Replace => true,
        Verb::Update { .. } => rows > 1,
    };
    let of_data = matches!(error.code, Code::Data | Code::Constraint);
    if of_data && several && hanging.child {
        return refuse(rehearsal, "the table has foreign keys, and one of them may fail before a row fails otherwise");
    }
    if let Verb::Update { in_order: false } = rehearsal.verb()
        && several
        && error.errno == 1062
    {
        return refuse(rehearsal, "the order in which MySQL changes rows may decide whether they collide");
    }
    error
}

/// As much of a value as a key looks at.
fn cut(value: Value, length: Option<usize>) -> Value {
    match (value, length) {
        (Value::Text(text), Some(length)) => Value::Text(text.chars().take(length).collect()),
        (Value::Bytes(bytes), Some(length)) => Value::Bytes(bytes.into_iter().take(length).collect()),
        (value, _) => value,
    }
}

/// Refuses documents that text cannot carry.
pub(super) fn survives(rehearsal: Rehearsal<'_>, cells: &[Option<&[u8]>]) -> Result<(), ErrorBody> {
    match rehearsal.row().checked && cells.last().copied().flatten() != Some(b"1") {
        true => Err(refuse(rehearsal, "a JSON document has values that text cannot carry (dates, decimals)")),
        false => Ok(()),
    }
}

/// The last number that the scratch server made up for a row.
async fn last_number(stage: &mut Stage<'_>) -> Result<Option<u64>, ErrorBody> {
    let rows = stage.rows("SELECT LAST_INSERT_ID()".to_owned()).await?;
    let row = rows.list.first().ok_or_else(malformed)?;
    let cell = cells(row, 1)?[0];
    Ok(cell.and_then(|cell| std::str::from_utf8(cell).ok()?.parse().ok()))
}

fn refuse(rehearsal: Rehearsal<'_>, why: &str) -> ErrorBody {
    failure::unsupported(format!(
        "this write runs on the scratch server, and what it changes of {} is written to the shards; that is not supported here: {why}; name the rows, or \
         write the values themselves",
        rehearsal.row().table
    ))
}
