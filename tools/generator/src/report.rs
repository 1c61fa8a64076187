//! What a run found: counts by tier, refusals by reason, faults.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use vitrail_differential::report::{general, tier_name};

use crate::grammar::{Step, What};
use crate::verdict::{Outcome, Verdict};

/// A run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// By flavour.
    pub flavours: BTreeMap<String, Flavoured>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How long it took.
    pub seconds: f64,
}

/// What was run on the servers of a flavour.
#[derive(Debug, Default, Serialize)]
pub struct Flavoured {
    /// Queries.
    pub reads: usize,
    /// INSERT, REPLACE, UPDATE, DELETE.
    pub writes: usize,
    /// Transactions and settings.
    pub controls: usize,
    /// Statements that one MySQL refused, by its number.
    pub errors: BTreeMap<u16, usize>,
    /// By number of shards.
    pub shards: BTreeMap<usize, Counts>,
    /// Refusals over the most shards, by reason.
    pub refused: BTreeMap<String, usize>,
    /// An example of each.
    pub examples: BTreeMap<String, String>,
    /// Statements whose answer one MySQL itself leaves open.
    pub open: Vec<String>,
}

/// What came of statements over a number of shards.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Counts {
    /// As one MySQL has it.
    pub equal: usize,
    /// Not as one MySQL has it.
    pub different: usize,
    /// Refused.
    pub refused: usize,
    /// Of those that are equal, by the tier of their plan.
    pub tiers: BTreeMap<&'static str, usize>,
}

/// A statement that went wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// On whose servers.
    pub flavour: String,
    /// Which world of the seed, and which step of it.
    pub place: String,
    /// Over how many shards.
    pub shards: usize,
    /// The statement, as small as it was made.
    pub sql: String,
    /// How it is wrong.
    pub how: String,
    /// Where the script is.
    pub script: Option<String>,
}

impl Flavoured {
    /// Takes what came of a step. `allowed`: parts of the reasons that are no faults; `None`: all are allowed. Returns what is not.
    pub fn add(&mut self, step: &Step, outcome: &Outcome, allowed: Option<&[String]>) -> Option<(usize, String)> {
        match step.what {
            What::Read(_) => self.reads += 1,
            What::Write(_) => self.writes += 1,
            What::Control(_) => self.controls += 1,
        }
        if let Some(errno) = outcome.errno {
            *self.errors.entry(errno).or_default() += 1;
            self.examples.entry(format!("error {errno}")).or_insert_with(|| step.sql());
        }
        let most = outcome.lanes.iter().map(|(shards, _)| *shards).max();
        let mut forbidden = None;
        for (shards, verdict) in &outcome.lanes {
            let counts = self.shards.entry(*shards).or_default();
            match verdict {
                Verdict::Equal(tier) => {
                    counts.equal += 1;
                    *counts.tiers.entry(tier_name(*tier)).or_default() += 1;
                }
                Verdict::Different(_) => counts.different += 1,
                Verdict::Open => {
                    if Some(*shards) == most {
                        self.open.push(step.sql());
                    }
                }
                Verdict::Refused(reason) => {
                    counts.refused += 1;
                    let reason = general(reason);
                    if allowed.is_some_and(|allowed| !allowed.iter().any(|part| reason.contains(part.as_str()))) {
                        forbidden = Some((*shards, format!("refused: {reason}")));
                    }
                    if Some(*shards) == most {
                        self.examples.entry(reason.clone()).or_insert_with(|| step.sql());
                        *self.refused.entry(reason).or_default() += 1;
                    }
                }
            }
        }
        forbidden
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.faults.is_empty()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        };
        for (name, flavour) in &self.flavours {
            let mut reasons: Vec<(&String, &usize)> = flavour.refused.iter().collect();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            line(format!("{name}, refused by reason:"));
            for (reason, count) in reasons {
                line(format!("{count:>7}  {}", clip(reason)));
            }
            for sql in flavour.open.iter().take(3) {
                line(format!("{name}: one MySQL leaves this open: {sql}"));
            }
        }
        for fault in &self.faults {
            line(format!("\n✗ {} over {} shards, {}\n  {}", fault.flavour, fault.shards, fault.place, fault.sql));
            line(format!("    {}", fault.how));
            if let Some(script) = &fault.script {
                line(format!("    script: {script}"));
            }
        }
        line(format!("\nseed {}, {:.1} s", self.seed, self.seconds));
        for (name, flavour) in &self.flavours {
            let errors: Vec<String> = flavour.errors.iter().map(|(errno, count)| format!("{errno}: {count}")).collect();
            line(format!(
                "{name:>8}: {} queries, {} writes, {} of transactions and settings; {} open; errors of one MySQL ({})",
                flavour.reads,
                flavour.writes,
                flavour.controls,
                flavour.open.len(),
                errors.join(", ")
            ));
            for (shards, counts) in &flavour.shards {
                let tiers: Vec<String> = counts.tiers.iter().map(|(tier, count)| format!("{tier} {count}")).collect();
                line(format!(
                    "{name:>8} over {shards}: {:>6} equal {:>4} different {:>6} refused   ({})",
                    counts.equal,
                    counts.different,
                    counts.refused,
                    tiers.join(", ")
                ));
            }
        }
        line(format!("{} faults", self.faults.len()));
        text
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(150) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
