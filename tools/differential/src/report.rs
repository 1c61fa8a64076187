//! What a run found: counts, refusals with their reasons, faults.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use vitrail_harness::Flavour;

use crate::case::{self, Case, Scope};
use crate::lane::{Ran, Tier, Verdict};
use crate::suite::Suite;

/// Characters of a statement in a list.
const SHOWN: usize = 160;

/// A run. Serialised, it is `summary.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Cases, each of which runs on every number of shards.
    pub statements: usize,
    /// Cases of each suite.
    pub suites: BTreeMap<String, usize>,
    /// Flavour → number of shards → counts.
    pub flavours: BTreeMap<String, BTreeMap<usize, Counts>>,
    /// Refused statements with their reasons.
    pub refused: Vec<Listed>,
    /// Statements with known faults.
    pub bugs: Vec<Listed>,
    /// Answers that are not one MySQL's, and cases that are wrong.
    pub faults: Vec<Listed>,
    /// Tags `exact` that are missing, or not needed any more.
    pub tags: Vec<Listed>,
    /// How long it took.
    pub seconds: f64,
    #[serde(skip)]
    cases: Vec<Judged>,
}

/// Cases of a lane, by what came of them.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Counts {
    /// Cases.
    pub statements: usize,
    /// As one MySQL has it.
    pub equal: usize,
    /// Not so, known faults included.
    pub different: usize,
    /// Refused.
    pub refused: usize,
    /// Those that were run, by the tier of their plan.
    pub tiers: BTreeMap<&'static str, usize>,
}

/// A statement in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// `file:line`.
    pub place: String,
    /// The statement.
    pub sql: String,
    /// Where it was so: flavour and numbers of shards.
    pub lanes: String,
    /// Why, or how.
    pub reason: String,
}

/// A case with what came of it in each lane.
#[derive(Debug)]
pub struct Judged {
    /// The case.
    pub case: Case,
    /// Lanes of the flavours that it is for.
    pub lanes: Vec<(Flavour, usize, Verdict)>,
}

impl Judged {
    /// Whether any lane of this flavour refused it.
    pub fn is_refused(&self, flavour: Flavour) -> bool {
        self.lanes.iter().any(|(of, _, verdict)| *of == flavour && matches!(verdict, Verdict::Refused(_)))
    }
}

impl Report {
    /// An empty one for these suites.
    pub fn new(suites: &[Suite]) -> Report {
        let cases = suites.iter().flat_map(|suite| &suite.cases);
        let cases: Vec<Judged> = cases.map(|case| Judged { case: case.clone(), lanes: Vec::new() }).collect();
        Report {
            statements: cases.len(),
            suites: suites.iter().map(|suite| (suite.name.clone(), suite.cases.len())).collect(),
            flavours: BTreeMap::new(),
            refused: Vec::new(),
            bugs: Vec::new(),
            faults: Vec::new(),
            tags: Vec::new(),
            seconds: 0.0,
            cases,
        }
    }

    /// Takes what came of a suite's cases in one lane, and what its tables are not in the end.
    pub fn add(&mut self, suite: &Suite, flavour: Flavour, shards: usize, all: Vec<Option<Ran>>, tables: Vec<String>) {
        let counts = self.flavours.entry(case::label(flavour).to_owned()).or_default().entry(shards).or_default();
        let same_file = |judged: &Judged| suite.cases.first().is_some_and(|first| first == &judged.case);
        let start = self.cases.iter().position(same_file).unwrap_or(self.cases.len());
        for (judged, ran) in self.cases[start..].iter_mut().zip(all) {
            let Some(ran) = ran else { continue };
            counts.statements += 1;
            match &ran.verdict {
                Verdict::Equal => counts.equal += 1,
                Verdict::Refused(_) => counts.refused += 1,
                Verdict::Different(_) | Verdict::Broken(_) => counts.different += 1,
            }
            if let Some(tier) = ran.tier {
                *counts.tiers.entry(tier_name(tier)).or_default() += 1;
            }
            judged.lanes.push((flavour, shards, ran.verdict));
        }
        self.faults.extend(tables.into_iter().map(|reason| Listed {
            place: format!("testdata/sql/{}", suite.name),
            sql: String::new(),
            lanes: format!("{} over {shards}", case::label(flavour)),
            reason,
        }));
    }

    /// Holds what came of each case against its tags.
    pub fn judge(&mut self, flavours: &[Flavour]) {
        for judged in &self.cases {
            let case = &judged.case;
            let mut refused: Vec<(String, Vec<String>)> = Vec::new();
            let mut different: Vec<(String, Vec<String>)> = Vec::new();
            for (flavour, shards, verdict) in &judged.lanes {
                let (list, reason) = match verdict {
                    Verdict::Equal => continue,
                    Verdict::Refused(reason) => (&mut refused, reason.clone()),
                    Verdict::Different(how) => (&mut different, how.clone()),
                    Verdict::Broken(how) => (&mut different, format!("the case is wrong: {how}")),
                };
                let lane = format!("{} over {shards}", case::label(*flavour));
                match list.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, lanes)) => lanes.push(lane),
                    None => list.push((reason, vec![lane])),
                }
            }
            let listed = |(reason, lanes): (String, Vec<String>)| Listed {
                place: place(case),
                sql: case.sql.clone(),
                lanes: lanes.join(", "),
                reason,
            };
            let fault = |reason: &str| listed((reason.to_owned(), Vec::new()));
            let is_broken = judged.lanes.iter().any(|(_, _, verdict)| matches!(verdict, Verdict::Broken(_)));
            match &case.bug {
                Some(_) if different.is_empty() && refused.is_empty() && !judged.lanes.is_empty() => {
                    self.faults.push(fault("no longer wrong: take the tag `bug` away"));
                }
                Some(bug) if !is_broken => self.bugs.push(fault(bug)),
                _ => self.faults.extend(different.into_iter().map(listed)),
            }
            let covers = |flavour: &Flavour| case.exact.is_some_and(|scope| scope.covers(*flavour));
            let untagged = flavours.iter().any(|flavour| judged.is_refused(*flavour) && !covers(flavour));
            let covered: Vec<&Flavour> =
                flavours.iter().filter(|flavour| covers(flavour) && case.flavours.contains(flavour)).collect();
            if untagged {
                let reasons = refused.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>().join("; ");
                self.tags.push(fault(&format!("refused, and not tagged `exact`: {reasons}")));
            } else if !covered.is_empty() && !covered.iter().any(|flavour| judged.is_refused(**flavour)) {
                self.tags.push(fault("tagged `exact`, and refused no more: take the tag away (UPDATE=1)"));
            }
            self.refused.extend(refused.into_iter().map(listed));
        }
    }

    /// Whether all is as one MySQL has it, or tagged.
    pub fn is_right(&self) -> bool {
        self.faults.is_empty() && self.tags.is_empty()
    }

    /// The cases with what came of them.
    pub fn cases(&self) -> &[Judged] {
        &self.cases
    }

    /// For people: counts, refusals by reason, known faults, faults.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        };
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for refused in &self.refused {
            *reasons.entry(general(&refused.reason)).or_default() += 1;
        }
        let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        line(format!("refused, by reason ({} in all):", self.refused.len()));
        for (reason, count) in reasons {
            line(format!("{count:>6}  {}", clip(&reason)));
        }
        if !self.bugs.is_empty() {
            line(format!("\nknown faults ({}):", self.bugs.len()));
        }
        for bug in &self.bugs {
            line(format!("  {}: {}\n    {}", bug.place, bug.reason, clip(&bug.sql)));
        }
        for fault in self.faults.iter().chain(&self.tags) {
            let lanes = if fault.lanes.is_empty() { String::new() } else { format!(" ({})", fault.lanes) };
            line(format!("\n✗ {}{lanes}\n  {}\n    {}", fault.place, fault.sql.replace('\n', "\n  "), fault.reason));
        }
        let suites: Vec<String> = self.suites.iter().map(|(name, count)| format!("{name} {count}")).collect();
        line(format!("\n{} statements ({}) in {:.1} s", self.statements, suites.join(", "), self.seconds));
        for (flavour, lanes) in &self.flavours {
            for (shards, counts) in lanes {
                let tiers: Vec<String> = counts.tiers.iter().map(|(tier, count)| format!("{tier} {count}")).collect();
                line(format!(
                    "{flavour:>8} over {shards}: {:>5} equal {:>5} different {:>5} refused   ({})",
                    counts.equal,
                    counts.different,
                    counts.refused,
                    tiers.join(", ")
                ));
            }
        }
        line(format!("{} faults, {} tags to change", self.faults.len(), self.tags.len()));
        text
    }
}

/// The tags that refusals ask for.
pub fn wanted_scope(judged: &Judged, flavours: &[Flavour]) -> Option<Scope> {
    let run: Vec<Flavour> = flavours.iter().copied().filter(|of| judged.case.flavours.contains(of)).collect();
    let refused: Vec<Flavour> = run.iter().copied().filter(|flavour| judged.is_refused(*flavour)).collect();
    match refused.as_slice() {
        [] => None,
        [one] if run.len() > 1 => Some(Scope::Only(*one)),
        _ => Some(Scope::All),
    }
}

/// What a tier is called.
pub fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::OnePlace => "one place",
        Tier::Distributed => "distributed",
        Tier::Exact => "exact",
        Tier::Session => "session",
    }
}

fn place(case: &Case) -> String {
    format!("{}:{}", case.file.display(), case.line)
}

/// A reason without the names in it.
pub fn general(reason: &str) -> String {
    let parts = reason.split('`').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "…" });
    parts.collect::<Vec<_>>().join("`")
}

fn clip(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The faults of one case that came out like this on both flavours.
    fn faults(text: &str, verdicts: [Verdict; 2]) -> Vec<String> {
        let cases = case::parse(Path::new("a.slt"), text).unwrap();
        let suite = Suite {
            name: "a".into(),
            schema: Vec::new(),
            schema_of: Vec::new(),
            vschema: String::new(),
            rows: Vec::new(),
            cases,
        };
        let mut report = Report::new(std::slice::from_ref(&suite));
        for (flavour, verdict) in Flavour::ALL.into_iter().zip(verdicts) {
            let ran = suite.cases[0].flavours.contains(&flavour).then_some(Ran { verdict, tier: None });
            report.add(&suite, flavour, 1, vec![ran], Vec::new());
        }
        report.judge(&Flavour::ALL);
        report.faults.into_iter().chain(report.tags).map(|fault| fault.reason).collect()
    }

    fn refused() -> Verdict {
        Verdict::Refused("too hard".into())
    }

    fn different() -> Verdict {
        Verdict::Different("1 row instead of 2".into())
    }

    const PLAIN: &str = "query\nSELECT 1\n";
    const EXACT: &str = "# exact\nquery\nSELECT 1\n";
    const BUG: &str = "# bug(off by one)\nquery\nSELECT 1\n";

    #[test]
    fn only_what_is_as_its_tags_say_passes() {
        assert!(faults(PLAIN, [Verdict::Equal, Verdict::Equal]).is_empty());
        assert!(faults(EXACT, [refused(), refused()]).is_empty());
        assert!(faults(EXACT, [Verdict::Equal, refused()]).is_empty());
        assert!(faults(BUG, [different(), Verdict::Equal]).is_empty());
        assert_eq!(faults(PLAIN, [different(), Verdict::Equal]), ["1 row instead of 2"]);
        assert!(faults(PLAIN, [refused(), Verdict::Equal])[0].contains("not tagged"));
        assert!(faults(EXACT, [Verdict::Equal, Verdict::Equal])[0].contains("refused no more"));
        assert!(faults(BUG, [Verdict::Equal, Verdict::Equal])[0].contains("no longer wrong"));
        assert!(faults(EXACT, [different(), refused()])[0].contains("instead of"));
        assert!(faults(PLAIN, [Verdict::Broken("rotten".into()), Verdict::Equal])[0].contains("rotten"));
        assert!(faults(BUG, [Verdict::Broken("rotten".into()), Verdict::Equal])[0].contains("rotten"));
    }

    #[test]
    fn tags_of_one_flavour_hold_for_it_alone() {
        let exact = "# exact(mysql)\nquery\nSELECT 1\n";
        assert!(faults(exact, [Verdict::Equal, refused()]).is_empty());
        assert!(faults(exact, [refused(), refused()])[0].contains("not tagged"));
        assert!(faults("# exact\nonlyif mysql\nquery\nSELECT 1\n", [Verdict::Equal, refused()]).is_empty());
    }
}
