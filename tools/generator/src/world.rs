//! A world: one MySQL, and Vitrail over some numbers of shards beside it, with the same tables and rows.

use anyhow::{Context, Result, bail};
use futures_util::future::{join_all, try_join_all};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use vitrail_client::Session;
use vitrail_differential::answer::{self, Answer, Failed};
use vitrail_differential::case::View;
use vitrail_differential::lane;
use vitrail_differential::stage::Stage;
use vitrail_differential::tables;
use vitrail_harness::{Cluster, Connection, Flavour, Server};

use crate::data::{self, Row};
use crate::grammar::{Step, What};
use crate::schema::Schema;
use crate::twin::Twin;
use crate::verdict::{Found, HANGS, Outcome, Verdict, errno, first_difference, judge, of_oracle, view};

/// Where the name of the keyspace beside stands in statements.
pub const BESIDE: &str = "{beside}";

/// A running world.
pub struct World {
    pub(crate) schema: Schema,
    lanes: Vec<Lane>,
    /// Of the first session, and of the second.
    oracle: [Connection; 2],
    beside: String,
    twin: Twin,
}

/// Vitrail over some shards.
struct Lane {
    shards: usize,
    stage: Stage,
    sessions: [Session; 2],
    /// Explains what the sessions run.
    explainer: Session,
}

/// The servers that run what shards cannot answer: one of each flavour for all worlds, as a start takes longer than a world.
static SCRATCH: [OnceCell<Server>; 2] = [OnceCell::const_new(), OnceCell::const_new()];

impl World {
    /// Makes databases and tables, and starts Vitrail over each of these numbers of shards.
    ///
    /// # Errors
    ///
    /// A schema or vschema that MySQL or Vitrail does not take.
    pub async fn set(schema: &Schema, shards: &[usize]) -> Result<World> {
        let server = vitrail_harness::server(schema.flavour).await;
        let (oracle, beside) = (server.database("gen").await, server.database("gen_beside").await);
        let mut clusters = Vec::new();
        for count in shards {
            let mut names = Vec::new();
            for number in 0..*count {
                names.push(server.database(&format!("gen_{count}_{number}")).await);
            }
            let unsharded = server.database(&format!("gen_{count}_beside")).await;
            clusters.push(Cluster { server: server.clone(), shards: names, unsharded, oracle: oracle.clone() });
        }
        let main = clusters.iter().flat_map(|cluster| cluster.shards.iter()).chain([&oracle]);
        let main = main.map(|database| (database, &schema.tables));
        let other = clusters.iter().map(|cluster| &cluster.unsharded).chain([&beside]);
        let other = other.map(|database| (database, &schema.beside));
        let server_of = &server;
        try_join_all(main.chain(other).map(|(database, tables)| async move {
            let server = server_of;
            let mut connection = server.connect(database).await;
            for table in tables {
                let sql = table.definition();
                connection.execute(&sql).await.with_context(|| sql.clone())?;
            }
            connection.quit().await;
            anyhow::Ok(())
        }))
        .await?;
        let (vschema, vschema_beside) = (schema.vschema().to_string(), schema.vschema_beside().to_string());
        let mut lanes = Vec::new();
        for (count, cluster) in shards.iter().zip(clusters) {
            let scratch = scratch(schema.flavour).await;
            let stage = Stage::over(cluster, &vschema, Some((&beside, &vschema_beside)), Some(scratch)).await?;
            let sessions = [stage.session(), stage.session()];
            let explainer = stage.session();
            lanes.push(Lane { shards: *count, stage, sessions, explainer });
        }
        let twin = Twin::make(schema).await?;
        let oracle = [server.connect(&oracle).await, server.connect(&oracle).await];
        Ok(World { schema: schema.clone(), lanes, oracle, beside, twin })
    }

    /// Brings rows, in the order of the schema's tables, to all.
    ///
    /// # Errors
    ///
    /// Rows that are not taken everywhere alike.
    pub async fn load(&mut self, rows: &[Vec<Row>]) -> Result<()> {
        // Zero dates and texts that are cut are rows, too.
        let mut statements = vec!["SET sql_mode = ''".to_owned()];
        let named = self.schema.tables.iter().map(|table| (table, table.name.clone()));
        let beside = self.schema.beside.iter().map(|table| (table, format!("{}.{}", self.beside, table.name)));
        for ((table, name), rows) in named.chain(beside).zip(rows) {
            if !rows.is_empty() {
                statements.push(data::insert(table, &name, rows));
            }
        }
        statements.push("SET sql_mode = DEFAULT".to_owned());
        for sql in statements {
            let outcome = self.everywhere(&sql, false).await?;
            if let Some((shards, how)) = first_difference(&outcome) {
                bail!("over {shards} shards, loading rows: {how}\n{sql}");
            }
            if let Some((shards, Verdict::Refused(reason))) =
                outcome.lanes.iter().find(|(_, verdict)| matches!(verdict, Verdict::Refused(_)))
            {
                bail!("over {shards} shards, rows are refused: {reason}\n{sql}");
            }
        }
        Ok(())
    }

    /// Takes all rows away, and what the sessions have set.
    ///
    /// # Errors
    ///
    /// Lost connections.
    pub async fn clear(&mut self) -> Result<()> {
        for sql in ["ROLLBACK", "SET autocommit = 1", "SET sql_mode = DEFAULT", "SET time_zone = DEFAULT"] {
            self.everywhere(sql, false).await?;
        }
        let main = self.schema.tables.iter().map(|table| table.name.clone());
        let beside = self.schema.beside.iter().map(|table| format!("{}.{}", self.beside, table.name));
        for name in main.chain(beside).collect::<Vec<_>>() {
            self.everywhere(&format!("DELETE FROM {name}"), false).await?;
        }
        Ok(())
    }

    /// Runs a step everywhere, and compares.
    ///
    /// # Errors
    ///
    /// The one MySQL is lost.
    pub async fn run(&mut self, step: &Step) -> Result<Outcome> {
        let sql = step.sql().replace(BESIDE, &self.beside);
        match &step.what {
            What::Read(read) => self.read(&sql, &view(read, &sql), step.second, None).await,
            What::Write(write) => {
                let mut outcome = self.write(&sql).await?;
                if !outcome.apart && outcome.lanes.iter().all(|(_, verdict)| matches!(verdict, Verdict::Equal(_))) {
                    let table = write.table.replace(BESIDE, &self.beside);
                    self.held_alike(&table, &mut outcome).await?;
                }
                Ok(outcome)
            }
            What::Control(_) => self.everywhere(&sql, step.second).await,
        }
    }

    /// How the tables differ in the end, past Vitrail.
    ///
    /// # Errors
    ///
    /// Lost connections.
    pub async fn tables(&self) -> Result<Vec<(usize, String)>> {
        let mut all = Vec::new();
        for lane in &self.lanes {
            let found = tables::differences(&lane.stage).await?;
            all.extend(found.into_iter().map(|how| (lane.shards, how)));
        }
        Ok(all)
    }

    /// Ends Vitrail, and drops the databases.
    pub async fn strike(self) {
        let [first, second] = self.oracle;
        first.quit().await;
        second.quit().await;
        let server = vitrail_harness::server(self.schema.flavour).await;
        join_all(self.lanes.into_iter().map(|lane| lane.stage.strike())).await;
        let mut admin = server.admin().await;
        for database in [self.beside, self.twin.database] {
            // What stays behind goes with the server.
            let _ = admin.execute(&format!("DROP DATABASE `{database}`")).await;
        }
        admin.quit().await;
    }

    /// `open`: whether one MySQL leaves the answer open, if that is known; else it is found out where Vitrail differs.
    async fn read(&mut self, sql: &str, view: &View, second: bool, open: Option<bool>) -> Result<Outcome> {
        let at = usize::from(second);
        let lanes = join_all(self.lanes.iter_mut().map(|lane| lane.ask(sql, at, true)));
        let (expected, found) = tokio::join!(of_oracle(&mut self.oracle[at], sql), lanes);
        let expected = expected?;
        let mut verdicts = Vec::new();
        let mut told_otherwise = None;
        let mut settled = open;
        let shards: Vec<usize> = self.lanes.iter().map(|lane| lane.shards).collect();
        for (shards, found) in shards.into_iter().zip(found) {
            let oracle = &mut self.oracle[at];
            let same_rows = matches!(&found.0, Ok(found) if crate::twin::same_rows(found, &expected));
            let mut verdict = judge(oracle, sql, view, shards, found, &expected).await?;
            if shards == 1 && same_rows && matches!(verdict, Verdict::Different(_)) {
                told_otherwise = Some(verdicts.len());
            } else if matches!(verdict, Verdict::Different(_)) {
                let open = match settled {
                    Some(open) => open,
                    None => self.is_open(sql, view, at, &expected).await?,
                };
                settled = Some(open);
                if open {
                    verdict = Verdict::Open;
                }
            }
            verdicts.push((shards, verdict));
        }
        // The one shard ran the text as it is. What it says of columns by its plan is its own, as long as others say what one MySQL says.
        if let Some(at) = told_otherwise
            && verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Equal(_)))
        {
            verdicts[at].1 = Verdict::Open;
        }
        Ok(Outcome { lanes: verdicts, errno: errno(&expected), apart: false })
    }

    /// Whether one MySQL answers otherwise when its rows lie otherwise.
    async fn is_open(&mut self, sql: &str, view: &View, at: usize, expected: &Answer) -> Result<bool> {
        if at == 1 {
            // The twin's rows may be those of the first session's transaction, and locked by it.
            return Ok(false);
        }
        if self.twin.differs(&self.schema, &mut self.oracle[at], sql, view, expected).await? {
            return Ok(true);
        }
        // The one shard holds the same rows as one MySQL, and its statistics are its own.
        let Some(alone) = self.lanes.iter().find(|lane| lane.shards == 1) else { return Ok(false) };
        let mut open = false;
        for mut shard in alone.stage.shards().await {
            let found = of_oracle(&mut shard, sql).await?;
            if matches!(found, Answer::Rows(_)) && !self.oracle[at].status().in_transaction() {
                open |=
                    lane::difference(&mut self.oracle[at], sql, view, [&found, expected], None, false).await?.is_some();
            }
            shard.quit().await;
        }
        Ok(open)
    }

    /// Runs a write on most shards first: what is refused there must be done nowhere.
    async fn write(&mut self, sql: &str) -> Result<Outcome> {
        let mut found: Vec<Option<(Found, Option<String>)>> = self.lanes.iter().map(|_| None).collect();
        let last = self.lanes.len() - 1;
        for at in (0..self.lanes.len()).rev() {
            let answer = self.lanes[at].ask(sql, 0, true).await;
            let refused = matches!(&answer.0, Ok(Answer::Failed(Failed { refused: true, .. })));
            found[at] = Some(answer);
            if refused {
                // Where fewer shards refuse what more of them did, they are apart.
                let lanes = self.lanes.iter().zip(found).filter_map(|(lane, found)| {
                    let Some((Ok(Answer::Failed(failed)), _)) = found else { return None };
                    failed.refused.then_some((lane.shards, Verdict::Refused(failed.message)))
                });
                return Ok(Outcome { lanes: lanes.collect(), errno: None, apart: at < last });
            }
        }
        let expected = of_oracle(&mut self.oracle[0], sql).await?;
        let mut lanes = Vec::new();
        for (lane, found) in self.lanes.iter().zip(found) {
            let Some(found) = found else { continue };
            let view = View::default();
            let verdict = judge(&mut self.oracle[0], sql, &view, lane.shards, found, &expected).await?;
            lanes.push((lane.shards, verdict));
        }
        let apart = lanes.iter().any(|(_, verdict)| !matches!(verdict, Verdict::Equal(_)));
        Ok(Outcome { lanes, errno: errno(&expected), apart })
    }

    /// Holds a table that was written against one MySQL's, as the session sees it.
    async fn held_alike(&mut self, table: &str, outcome: &mut Outcome) -> Result<()> {
        let sql = format!("SELECT * FROM {table}");
        let held = self.read(&sql, &View::default(), false, Some(false)).await?;
        for ((_, verdict), (_, held)) in outcome.lanes.iter_mut().zip(held.lanes) {
            if let Verdict::Different(how) = held {
                *verdict = Verdict::Different(format!("afterwards {table} has other rows: {how}"));
                outcome.apart = true;
            }
        }
        Ok(())
    }

    /// Runs a statement everywhere at once; its rows come in any order.
    async fn everywhere(&mut self, sql: &str, second: bool) -> Result<Outcome> {
        let at = usize::from(second);
        let lanes = join_all(self.lanes.iter_mut().map(|lane| lane.ask(sql, at, false)));
        let (expected, found) = tokio::join!(of_oracle(&mut self.oracle[at], sql), lanes);
        let expected = expected?;
        let mut lanes = Vec::new();
        for (lane, found) in self.lanes.iter().zip(found) {
            let view = View::default();
            lanes.push((lane.shards, judge(&mut self.oracle[at], sql, &view, lane.shards, found, &expected).await?));
        }
        let apart = lanes.iter().any(|(_, verdict)| !matches!(verdict, Verdict::Equal(_)));
        Ok(Outcome { lanes, errno: errno(&expected), apart })
    }
}

impl Lane {
    /// What Vitrail answers, and its plan if that is wanted.
    async fn ask(&mut self, sql: &str, session: usize, planned: bool) -> (Found, Option<String>) {
        let plan = async {
            match planned && self.shards > 1 {
                true => lane::plan(&mut self.explainer, sql).await.unwrap_or_default(),
                false => None,
            }
        };
        let answer = timeout(HANGS, answer::of_vitrail(&mut self.sessions[session], sql));
        let (plan, answer) = tokio::join!(timeout(HANGS, plan), answer);
        let answer = match answer {
            Err(_) => Err(format!("no answer after {} s", HANGS.as_secs())),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Ok(Ok(answer)) => Ok(answer),
        };
        (answer, plan.unwrap_or_default())
    }
}

async fn scratch(flavour: Flavour) -> &'static Server {
    let cell = &SCRATCH[usize::from(flavour == Flavour::MySql)];
    cell.get_or_init(|| Server::start(flavour, vec!["--binlog-format=ROW".to_owned()])).await
}
