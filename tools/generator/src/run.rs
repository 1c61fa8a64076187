//! A run: worlds one after the other on each flavour's servers, until there are enough statements.

use std::path::PathBuf;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use tokio::time::Instant;
use vitrail_differential::SHARDS;
use vitrail_differential::case::label;
use vitrail_harness::Flavour;

use crate::data;
use crate::grammar::{Session, Step, What};
use crate::random::Random;
use crate::report::{Fault, Flavoured, Report};
use crate::schema;
use crate::script::Script;
use crate::shrink;
use crate::verdict::first_difference;
use crate::world::{BESIDE, World};

/// Statements of one world.
const STEPS: usize = 250;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stands for all schemas, rows and statements.
    pub seed: u64,
    /// Statements on each flavour.
    pub statements: usize,
    /// On whose servers.
    pub flavours: Vec<Flavour>,
    /// So many of a hundred statements write.
    pub writes: usize,
    /// A refusal is a fault, unless its reason has one of these parts; `None`: any may be.
    pub allowed: Option<Vec<String>>,
    /// The first world, for a part of a run.
    pub first: u64,
    /// A run ends with so many faults.
    pub faults: usize,
    /// Where the scripts of faults go.
    pub folder: PathBuf,
    /// Says how far it is.
    pub progress: bool,
}

/// Runs what is asked for.
///
/// # Errors
///
/// Worlds that cannot be set: rows that Vitrail or MySQL does not take, servers that are lost.
pub async fn run(options: &Options) -> Result<Report> {
    let started = Instant::now();
    let flavours = options.flavours.iter().map(|flavour| on(options, *flavour));
    let mut report = Report { seed: options.seed, ..Report::default() };
    for (flavour, (counts, faults)) in options.flavours.iter().zip(try_join_all(flavours).await?) {
        report.flavours.insert(label(*flavour).to_owned(), counts);
        report.faults.extend(faults);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

async fn on(options: &Options, flavour: Flavour) -> Result<(Flavoured, Vec<Fault>)> {
    let started = Instant::now();
    let mut run = Run { options, flavour, counts: Flavoured::default(), faults: Vec::new() };
    let (mut done, mut number) = (0, options.first);
    while done < options.statements && run.faults.len() < options.faults {
        let steps = STEPS.min(options.statements - done);
        let place = || format!("world {number} of seed {}, on {}", options.seed, label(flavour));
        done += run.world(number, steps).await.with_context(place)?;
        number += 1;
        if options.progress {
            let rate = done as f64 / started.elapsed().as_secs_f64();
            let refused = run.counts.shards.get(&4).map_or(0, |counts| counts.refused);
            say(&format!(
                "{:>8}: {done} statements, {rate:.0}/s, {number} worlds, {refused} refused, {} open, {} faults",
                label(flavour),
                run.counts.open.len(),
                run.faults.len()
            ));
        }
    }
    Ok((run.counts, run.faults))
}

struct Run<'o> {
    options: &'o Options,
    flavour: Flavour,
    counts: Flavoured,
    faults: Vec<Fault>,
}

impl Run<'_> {
    /// Runs a world. Returns how many statements it was.
    async fn world(&mut self, number: u64, steps: usize) -> Result<usize> {
        let random = Random::new(self.options.seed).part(number);
        let schema = schema::make(&mut random.part(1), self.flavour);
        let rows = data::rows(&mut random.part(2), &schema);
        let mut world = World::set(&schema, &SHARDS).await?;
        world.load(&rows).await?;
        let mut session = Session::new(&random.part(3), &schema, BESIDE);
        // Some worlds are written much, some are only read.
        let writes = [0, 1, 2][number as usize % 3] * self.options.writes;
        let mut before: Vec<Step> = Vec::new();
        let mut rest: Vec<Step> = Vec::new();
        for at in 0..steps {
            let step = session.step(writes);
            if at + 1 == steps {
                rest = session.end();
            }
            if self.step(&mut world, &step, &before, (number, at), (&schema, &rows)).await? {
                world.strike().await;
                return Ok(at + 1);
            }
            if !matches!(step.what, What::Read(_)) {
                before.push(step);
            }
        }
        for step in rest {
            world.run(&step).await?;
        }
        for (shards, how) in world.tables().await? {
            let place = format!("world {number} of seed {}", self.options.seed);
            let flavour = label(self.flavour).to_owned();
            self.faults.push(Fault { flavour, place, shards, sql: String::new(), how, script: None });
        }
        world.strike().await;
        Ok(steps)
    }

    /// Runs a step. Returns whether the world has to end with it.
    async fn step(
        &mut self,
        world: &mut World,
        step: &Step,
        before: &[Step],
        (number, at): (u64, usize),
        (schema, rows): (&schema::Schema, &[Vec<data::Row>]),
    ) -> Result<bool> {
        let outcome = world.run(step).await?;
        let forbidden = self.counts.add(step, &outcome, self.options.allowed.as_deref());
        let different = first_difference(&outcome).map(|(shards, how)| (shards, how.to_owned()));
        let Some((shards, how)) = different.clone().or(forbidden) else { return Ok(outcome.apart) };
        let place = format!("world {number}, step {at}, of seed {}", self.options.seed);
        let mut fault =
            Fault { flavour: label(self.flavour).to_owned(), place, shards, sql: step.sql(), how, script: None };
        if self.options.progress {
            say(&format!("{}: {} over {shards} shards: {}\n  {}", fault.flavour, fault.place, fault.how, fault.sql));
        }
        if different.is_some() {
            let steps = before.iter().cloned().chain([step.clone()]).collect();
            let script = Script { schema: schema.clone(), rows: rows.to_vec(), steps, shards };
            let name = format!("{}-{}-{number}-{at}", fault.flavour, self.options.seed);
            let folder = self.options.folder.join(name);
            let (script, how) = match shrink::shrink(script.clone()).await? {
                Some(small) => small,
                None => (script, format!("{}\n(not seen again by itself)", fault.how)),
            };
            script.save(&folder, &how)?;
            (fault.sql, fault.how) = (script.steps.last().map(Step::sql).unwrap_or_default(), how);
            fault.script = Some(folder.display().to_string());
            if self.options.progress {
                say(&format!("made small: {}\n  {}", fault.how, fault.sql));
            }
        }
        self.faults.push(fault);
        Ok(outcome.apart || self.faults.len() >= self.options.faults)
    }
}

#[expect(clippy::print_stderr, reason = "a long run tells people how far it is")]
fn say(text: &str) {
    eprintln!("{text}");
}
