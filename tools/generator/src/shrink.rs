//! A failure made small: fewer steps, fewer rows, a smaller statement, fewer tables and columns.
//!
//! Each trial runs on real servers and must fail by a difference again; one that one MySQL refuses, or leaves open, is no failure.

use anyhow::Result;
use tokio::time::{Duration, Instant};

use crate::grammar::{Step, What};
use crate::script::Script;
use crate::tree;
use crate::verdict::first_difference;
use crate::world::World;

/// How long a failure is worked on.
const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest script that was found, with how it goes wrong; `None` if the script does not go wrong by itself.
///
/// # Errors
///
/// A world that cannot be set, and servers that are lost.
pub async fn shrink(script: Script) -> Result<Option<(Script, String)>> {
    let world = World::set(&script.schema, &[script.shards]).await?;
    let mut trial = Trial { world, until: Instant::now() + PATIENCE, how: String::new(), loaded: None };
    let found = match trial.fails(&script).await? {
        true => Some(trial.smallest(script).await?),
        false => None,
    };
    let how = trial.how;
    trial.world.strike().await;
    let Some(script) = found else { return Ok(None) };
    Ok(Some(narrowed(script, how).await?))
}

struct Trial {
    world: World,
    until: Instant,
    /// How the last failure went.
    how: String,
    /// What lies in the tables, if nothing has been written since: the number of rows of each and whether steps were run.
    loaded: Option<String>,
}

impl Trial {
    /// Whether the last step goes wrong.
    async fn fails(&mut self, script: &Script) -> Result<bool> {
        if Instant::now() > self.until {
            return Ok(false);
        }
        let Some((last, before)) = script.steps.split_last() else { return Ok(false) };
        // A query alone leaves all as it is, so that the rows can stay for the next trial.
        let reusable = before.is_empty() && matches!(last.what, What::Read(_));
        let wanted = reusable.then(|| format!("{:?}", script.rows));
        if wanted.is_none() || wanted != self.loaded {
            self.loaded = None;
            self.world.clear().await?;
            if self.world.load(&script.rows).await.is_err() {
                return Ok(false);
            }
            self.loaded = wanted;
        }
        for step in before {
            let outcome = self.world.run(step).await?;
            // Without the queries between them, transactions begin elsewhere: what controls say of it is not what is looked for.
            if matches!(step.what, What::Write(_)) && first_difference(&outcome).is_some() {
                return Ok(false);
            }
        }
        let outcome = self.world.run(last).await?;
        match first_difference(&outcome) {
            Some((_, how)) => {
                self.how = how.to_owned();
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn smallest(&mut self, script: Script) -> Result<Script> {
        let mut script = self.fewer_steps(script).await?;
        script = self.fewer_rows(script).await?;
        for at in (0..script.steps.len()).rev() {
            script = self.smaller_statement(script, at).await?;
        }
        script = self.fewer_rows(script).await?;
        // So that what is told is how the smallest one fails.
        self.fails(&script).await?;
        Ok(script)
    }

    async fn fewer_steps(&mut self, mut script: Script) -> Result<Script> {
        let mut size = script.steps.len() - 1;
        while size > 0 {
            let mut start = 0;
            while start + 1 < script.steps.len() {
                let end = (start + size).min(script.steps.len() - 1);
                let mut smaller = script.clone();
                smaller.steps.drain(start..end);
                match self.fails(&smaller).await? {
                    true => script = smaller,
                    false => start = end,
                }
            }
            size /= 2;
        }
        Ok(script)
    }

    async fn fewer_rows(&mut self, mut script: Script) -> Result<Script> {
        for table in 0..script.rows.len() {
            let mut size = script.rows[table].len();
            while size > 0 {
                let mut start = 0;
                while start < script.rows[table].len() {
                    let mut smaller = script.clone();
                    let end = (start + size).min(smaller.rows[table].len());
                    smaller.rows[table].drain(start..end);
                    match self.fails(&smaller).await? {
                        true => script = smaller,
                        false => start = end,
                    }
                }
                size /= 2;
            }
        }
        Ok(script)
    }

    async fn smaller_statement(&mut self, mut script: Script, at: usize) -> Result<Script> {
        'again: loop {
            let whole = match &script.steps[at].what {
                What::Read(read) => &read.tree,
                What::Write(write) => &write.tree,
                What::Control(_) => return Ok(script),
            };
            for tree in tree::smaller(whole) {
                let mut smaller = script.clone();
                match &mut smaller.steps[at].what {
                    What::Read(read) => read.tree = tree,
                    What::Write(write) => write.tree = tree,
                    What::Control(_) => {}
                }
                if self.fails(&smaller).await? {
                    script = smaller;
                    continue 'again;
                }
            }
            return Ok(script);
        }
    }
}

/// The script without tables and columns that no statement names, if it fails so, too.
async fn narrowed(script: Script, how: String) -> Result<(Script, String)> {
    let text: Vec<String> = script.steps.iter().map(Step::sql).collect();
    let text = text.join("\n");
    let names = |word: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found == word);
    let mut narrow = script.clone();
    let kept: Vec<bool> = script.schema.all().map(|table| names(&table.name)).collect();
    let mut keep = kept.iter();
    narrow.schema.tables.retain(|_| *keep.next().unwrap_or(&true));
    narrow.schema.beside.retain(|_| *keep.next().unwrap_or(&true));
    let mut keep = kept.iter();
    narrow.rows.retain(|_| *keep.next().unwrap_or(&true));
    let all = narrow.schema.tables.iter_mut().chain(&mut narrow.schema.beside);
    for (table, rows) in all.zip(&mut narrow.rows) {
        table.keys.retain(|key| key.columns.iter().all(|at| names(&table.columns[*at].name)));
        for at in (0..table.columns.len()).rev() {
            let needed = table.key.contains(&at)
                || table.sharding().contains(&at)
                || names(&table.columns[at].name)
                || table
                    .columns
                    .iter()
                    .any(|column| column.generated.is_some_and(|of| of.contains(&*table.columns[at].name)));
            if !needed {
                drop_column(table, rows, at);
            }
        }
    }
    // A statement that shows all columns may need what it does not name; then the script stays as it was.
    if let Ok(world) = World::set(&narrow.schema, &[narrow.shards]).await {
        let mut trial = Trial { world, until: Instant::now() + PATIENCE, how: String::new(), loaded: None };
        let fails = trial.fails(&narrow).await?;
        let how = std::mem::take(&mut trial.how);
        trial.world.strike().await;
        if fails {
            return Ok((narrow, how));
        }
    }
    Ok((script, how))
}

fn drop_column(table: &mut crate::schema::Table, rows: &mut [crate::data::Row], at: usize) {
    if let Some(cell) = table.written().iter().position(|known| *known == at) {
        rows.iter_mut().for_each(|row| drop(row.remove(cell)));
    }
    table.columns.remove(at);
    let shift = |columns: &mut Vec<usize>| {
        columns.iter_mut().filter(|known| **known > at).for_each(|known| *known -= 1);
    };
    shift(&mut table.key);
    table.keys.iter_mut().for_each(|key| shift(&mut key.columns));
    if let crate::schema::Placement::Sharded { columns, .. } = &mut table.placement {
        shift(columns);
    }
}
