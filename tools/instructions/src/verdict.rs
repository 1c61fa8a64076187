//! What the difference between accepted and found counts means, in words.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::baseline;

/// The command that accepts what is found.
pub const ACCEPT: &str = "make accept-instructions";

/// How far a count may be from its baseline, in per cent of it.
const MARGIN: u64 = 10;

/// The outcome of a comparison.
pub struct Verdict {
    /// Nothing has become dearer than is allowed, and everything has a baseline.
    pub passes: bool,
    /// All counts.
    pub table: String,
    /// All counts, what is wrong with them, and what to do.
    pub report: String,
}

/// Compares the counts of all operations.
pub fn compare(accepted: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Verdict {
    let width = accepted.keys().chain(found.keys()).map(|name| name.chars().count()).max().unwrap_or(0).max(9);
    let mut table = format!("{:width$}  {:>10}  {:>10}  ratio\n", "operation", "baseline", "found");
    let (mut dearer, mut cheaper, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (name, &found) in found {
        let Some(&baseline) = accepted.get(name) else {
            line(&mut table, format_args!("{name:width$}  {:>10}  {found:>10}      -", "-"));
            wrong.push(format!("'{name}' has no baseline: found {found}"));
            continue;
        };
        let ratio = found as f64 / baseline.max(1) as f64;
        line(&mut table, format_args!("{name:width$}  {baseline:>10}  {found:>10}  {ratio:>5.2}"));
        let difference = format!("'{name}': baseline {baseline}, found {found}, ratio {ratio:.2}");
        if found * 100 > baseline * (100 + MARGIN) {
            dearer.push(difference);
        } else if found * 100 < baseline * (100 - MARGIN) {
            cheaper.push(difference);
        }
    }
    for name in accepted.keys().filter(|name| !found.contains_key(*name)) {
        wrong.push(format!("'{name}' has a baseline, and no operation has this name"));
    }
    let mut report = table.clone();
    let advice = format!("`{ACCEPT}` accepts what is found: commit {} with the reason", baseline::NAME);
    let groups = [
        (&dearer, format!("FAILED: more than {MARGIN} % above the baseline. If the change is worth it, {advice}")),
        (&wrong, format!("FAILED: baseline and operations are not the same. {advice}")),
        (&cheaper, format!("more than {MARGIN} % below the baseline. So that it stays so, {advice}")),
    ];
    for (operations, heading) in groups.iter().filter(|(operations, _)| !operations.is_empty()) {
        line(&mut report, format_args!("\n{heading}"));
        operations.iter().for_each(|operation| line(&mut report, format_args!("  {operation}")));
    }
    Verdict { passes: dearer.is_empty() && wrong.is_empty(), table, report }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn up_to_the_margin_all_is_well() {
        let verdict = compare(&counts(&[("a", 1000), ("b", 1000)]), &counts(&[("a", 1100), ("b", 900)]));
        assert!(verdict.passes);
        assert_eq!(verdict.report, verdict.table);
    }

    #[test]
    fn beyond_it_the_operation_and_the_way_out_are_named() {
        let verdict = compare(&counts(&[("a", 1000), ("b", 1000)]), &counts(&[("a", 1101), ("b", 1000)]));
        assert!(!verdict.passes);
        assert!(verdict.report.contains("'a': baseline 1000, found 1101, ratio 1.10"), "{}", verdict.report);
        assert!(verdict.report.contains(ACCEPT) && !verdict.report.contains("'b'"), "{}", verdict.report);
    }

    #[test]
    fn what_has_become_cheaper_is_told_and_passes() {
        let verdict = compare(&counts(&[("a", 1000)]), &counts(&[("a", 899)]));
        assert!(verdict.passes);
        assert!(verdict.report.contains("below the baseline") && verdict.report.contains(ACCEPT), "{}", verdict.report);
    }

    #[test]
    fn names_that_one_side_lacks_fail() {
        let verdict = compare(&counts(&[("old", 1)]), &counts(&[("new", 1)]));
        assert!(!verdict.passes);
        assert!(verdict.report.contains("'new' has no baseline"), "{}", verdict.report);
        assert!(verdict.report.contains("'old' has a baseline, and no operation"), "{}", verdict.report);
        assert!(verdict.report.contains(ACCEPT), "{}", verdict.report);
    }
}
