//! Rewrites the tags `exact` of case files after what a run has found.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use vitrail_harness::Flavour;

use crate::case::{self, Scope};
use crate::report::{self, Report};

/// Writes the tags that a run over `flavours` asks for into the files below `root`, the repository's folder, and gives the number of
/// changed cases.
///
/// # Errors
///
/// Files that cannot be read or written.
pub fn rewrite(root: &Path, report: &Report, flavours: &[Flavour]) -> Result<usize> {
    let mut changes: BTreeMap<&Path, BTreeMap<usize, Option<Scope>>> = BTreeMap::new();
    for judged in report.cases().iter().filter(|judged| !judged.lanes.is_empty()) {
        let wanted = report::wanted_scope(judged, flavours);
        if wanted != judged.case.exact {
            changes.entry(&judged.case.file).or_default().insert(judged.case.line, wanted);
        }
    }
    for (file, changes) in &changes {
        let path = root.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        std::fs::write(&path, edit(&text, changes)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(changes.values().map(BTreeMap::len).sum())
}

/// The text with the tags of the cases at these lines.
fn edit(text: &str, changes: &BTreeMap<usize, Option<Scope>>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(wanted) = changes.get(&(index + 1)) {
            // Conditions may stand between the comment and the record.
            let mut at = lines.len();
            while at > 0 && ["onlyif ", "skipif ", "connection "].iter().any(|word| lines[at - 1].starts_with(word)) {
                at -= 1;
            }
            let start = lines[..at].iter().rposition(|line| !line.starts_with('#')).map_or(0, |found| found + 1);
            let is_tag = |line: &str| {
                let word = line.trim_start_matches('#').trim();
                word == "exact" || (word.starts_with("exact(") && word.ends_with(')'))
            };
            if let Some(tag) = (start..at).rev().find(|index| is_tag(&lines[*index])) {
                lines.remove(tag);
                at -= 1;
            }
            match wanted {
                None => {}
                Some(Scope::All) => lines.insert(at, "# exact".into()),
                Some(Scope::Only(flavour)) => lines.insert(at, format!("# exact({})", case::label(*flavour))),
            }
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_added_changed_and_taken_away() {
        let text = "# why\nquery\nSELECT 1\n\n# exact\nonlyif mysql\nquery\nSELECT 2\n\nquery\nSELECT 3\n";
        let changes = [(2, Some(Scope::All)), (7, None), (10, Some(Scope::Only(Flavour::MariaDb)))].into();
        let edited = edit(text, &changes);
        assert_eq!(
            edited,
            "# why\n# exact\nquery\nSELECT 1\n\nonlyif mysql\nquery\nSELECT 2\n\n# exact(mariadb)\nquery\nSELECT 3\n"
        );
        assert_eq!(
            edit(&edited, &[(3, Some(Scope::Only(Flavour::MySql)))].into()).lines().nth(1),
            Some("# exact(mysql)")
        );
    }
}
