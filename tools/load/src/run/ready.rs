//! Targets before they come under load: reached, watched, with the tables of a workload.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{LoadOptions, note, scale};
use crate::drive::Fleet;
use crate::process::{self, Process};
use crate::report::count;
use crate::target::Target;
use crate::workload::Workload;

/// What is put under which load.
#[derive(Debug, Clone, Args)]
pub struct Subject {
    /// What clients do: point-select, range, read-write, write, herd, rows, mixed, tpcc, or a file that ends with .toml
    #[arg(long, short, value_name = "NAME|FILE")]
    pub workload: String,
    /// Where to: vitrail://… or mysql://…, with NAME= before it if it is to have another name; several are compared
    #[arg(long, short, value_name = "[NAME=]URL", required = true)]
    pub target: Vec<String>,
    /// Make and fill the workload's tables first, through each target; what is there is dropped
    #[arg(long)]
    pub prepare: bool,
    /// Replace a number of the workload's [scale]
    #[arg(long, value_name = "NAME=NUMBER", value_parser = scale)]
    pub scale: Vec<(String, i64)>,
    /// A process that works for a target, of this machine or with metrics for Prometheus: its CPU and memory are reported
    #[arg(long, value_name = "TARGET:NAME=PID|:PORT|/SOCKET|http://…/metrics")]
    pub process: Vec<String>,
    /// How hard
    #[command(flatten)]
    pub load: LoadOptions,
}

impl Subject {
    /// What clients do.
    pub(crate) fn workload(&self) -> Result<Arc<Workload>> {
        Ok(Arc::new(Workload::load(&self.workload, &self.scale)?))
    }

    /// Opens the clients of each target, and makes the workload's tables if that is wanted.
    pub(crate) async fn ready(
        &self,
        targets: Vec<Target>,
        workload: &Workload,
        note: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<Fleet>> {
        let watched = watched(&targets, &self.process).await?;
        let load = self.load.load();
        let mut fleets = Vec::new();
        for (target, processes) in targets.into_iter().zip(watched) {
            let name = target.name.clone();
            let url = target.url.clone();
            let fleet = Fleet::open(target, &load, processes).await;
            fleets.push(fleet.with_context(|| format!("{name} cannot be reached at {url}"))?);
        }
        if self.prepare {
            for fleet in fleets.iter_mut().filter(|fleet| !fleet.target.is_detour) {
                note(&format!("{}: making the tables of {}", fleet.target.name, workload.name));
                let few = fleet.connections().len().min(4);
                workload
                    .prepare(&mut fleet.connections()[..few], &written())
                    .await
                    .with_context(|| fleet.target.name.clone())?;
            }
        }
        Ok(fleets)
    }
}

/// The processes of each target: the one that listens where its URL leads, and those of the command line.
pub(crate) async fn watched(targets: &[Target], asked: &[String]) -> Result<Vec<Vec<Process>>> {
    let mut watched: Vec<Vec<Process>> = targets
        .iter()
        .map(|target| {
            let id = target.listening().as_ref().and_then(process::of);
            id.map(|id| Process::local(&target.name, id)).into_iter().collect()
        })
        .collect();
    for text in asked {
        let (target, rest) =
            text.split_once(':').with_context(|| format!("--process {text}: write it as TARGET:{}", process::FORM))?;
        match targets.iter().position(|known| known.name == target) {
            Some(index) => {
                let process = Process::parse(rest).await.with_context(|| format!("--process {text}"))?;
                watched[index].push(process);
            }
            None => bail!("--process {text}: there is no target `{target}`"),
        }
    }
    Ok(watched)
}

/// What the totals of a workload are now.
pub(crate) async fn totals(fleet: &mut Fleet, workload: &Workload, prepared: bool) -> Result<Vec<i64>> {
    let name = fleet.target.name.clone();
    let connection = fleet.first().context("there is no client")?;
    let totals = workload.totals(connection).await;
    let hint = if prepared { "" } else { "; --prepare makes the tables" };
    totals.with_context(|| format!("{name}: the totals of {} cannot be read{hint}", workload.name))
}

/// Rows that are written, for a person at a terminal.
fn written() -> impl Fn(&str, u64) + Sync {
    let terminal = std::io::stderr().is_terminal();
    move |table, rows| {
        if terminal && rows % 50_000 == 0 {
            note(&format!("  {table}: {} rows", count(rows as f64)));
        }
    }
}
