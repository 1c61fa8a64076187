//! Golden plans: `testdata/plans/*.txt` hold statements, and below `----` their plan and what it resolves to on two shards.
//! `UPDATE_GOLDEN=1 cargo test -p vitrail-planner` rewrites them.

mod fixture;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use fixture::Fixture;
use vitrail_planner::Scratch;
use vitrail_planner::plan::{Filling, Write as WriteStep};
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::{LexMode, normalise};

#[test]
fn plans_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/plans");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut fixture = Fixture::load();
    let (mut cases, mut wrong) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of plans")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let mut rewritten = String::new();
        for block in text.trim_end().split("\n\n") {
            if block.starts_with('#') {
                rewritten.push_str(block);
                rewritten.push_str("\n\n");
                continue;
            }
            let (case, expected) = block.split_once("\n----").unwrap_or((block, ""));
            let actual = run(&mut fixture, case);
            cases += 1;
            if expected.trim() != actual.trim() {
                wrong.push(format!(
                    "{}:\n{case}\n---- expected\n{}\n---- actual\n{actual}",
                    path.display(),
                    expected.trim()
                ));
            }
            let _ = write!(rewritten, "{case}\n----\n{}\n\n", actual.trim_end());
        }
        if update {
            std::fs::write(&path, format!("{}\n", rewritten.trim_end())).expect("a writable file");
        }
    }
    assert!(cases >= 120, "{cases} cases only");
    assert!(update || wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `@keyspace`, `@keyspace:shard`, `:name = value` and `scratch = flavour` lines come before the statement.
fn run(fixture: &mut Fixture, case: &str) -> String {
    fixture.scratch = None;
    let (mut target, mut binds, mut sql) = ("shop".to_owned(), Binds::new(), Vec::new());
    for line in case.lines() {
        if let Some(name) = line.strip_prefix('@') {
            name.clone_into(&mut target);
        } else if let Some(flavour) = line.strip_prefix("scratch = ") {
            fixture.scratch = Some(Scratch { reopens: flavour == "mariadb", for_write: false });
        } else if let Some((name, value)) = line.strip_prefix(':').and_then(|line| line.split_once(" = ")) {
            binds.set(name, value_of(value));
        } else {
            sql.push(line);
        }
    }
    let statement = normalise(Arc::from(sql.join("\n")), LexMode::default()).expect("lexes");
    let plan = match fixture.plan(&statement, &target) {
        Ok(plan) => plan,
        Err(refusal) => return format!("refused {} ({}): {}", refusal.reason, refusal.code.as_str(), refusal.message),
    };
    let mut out = plan.describe();
    if let Some(filling) = plan.filling() {
        // The sequence's next value is 1000.
        let mut next = 1000..;
        let given = match filling.given(&statement, &Arc::new(binds.clone()), true) {
            Ok(given) => given,
            Err(refusal) => {
                return format!("{out}=> {} ({}): {}", refusal.reason, refusal.code.as_str(), refusal.message);
            }
        };
        for (row, value) in given.into_iter().enumerate() {
            binds.set(Filling::bind(row), value.unwrap_or_else(|| Value::Int(next.next().expect("endless"))));
        }
    }
    let binds = Arc::new(binds);
    match plan.resolve(&statement, &binds, fixture.shards(plan.keyspace())) {
        Err(refusal) => {
            let _ = writeln!(out, "=> {} ({}): {}", refusal.reason, refusal.code.as_str(), refusal.message);
        }
        Ok(resolved) => {
            let names: Vec<&str> = fixture.shards(plan.keyspace()).iter().map(|shard| &*shard.name).collect();
            if let Some(join) = &resolved.join {
                if join.plan().titles.is_none() {
                    let _ = writeln!(out, "=> columns by {}: {}", names[0], resolved.statements[0].sql);
                }
                for side in 0..join.sides() {
                    let _ = writeln!(out, "=> side {side}: {}", join.text(side));
                }
                return out;
            }
            if let Some(steps) = &resolved.steps {
                let read = steps.read(&binds, fixture.shards(plan.keyspace())).expect("what is read resolves");
                if let WriteStep::Rehearse(rehearsal) = steps.write() {
                    if let Some(draft) = rehearsal.draft() {
                        let _ = writeln!(out, "=> draft: {draft}");
                    }
                    let _ = writeln!(out, "=> rehearse: {}", read.statements[0].sql);
                    let _ = writeln!(out, "=> write: {}", rehearsal.texts());
                    return out;
                }
                for statement in &read.statements {
                    let _ = writeln!(out, "=> read on {}: {}", names[statement.shard], statement.sql);
                }
                match steps.write() {
                    WriteStep::Keyed(tables) => {
                        for keyed in tables {
                            let _ = writeln!(out, "=> write: {}", keyed.text());
                        }
                    }
                    WriteStep::Allot(allotment) => {
                        let _ = writeln!(out, "=> write: {}", allotment.text(1));
                    }
                    WriteStep::Complete(completion) => {
                        let _ = writeln!(out, "=> write: {}", completion.statement().text);
                    }
                    WriteStep::Insert(insertion) => {
                        let _ = writeln!(out, "=> write: {}", insertion.text(1));
                    }
                    WriteStep::Rehearse(_) => unreachable!("shown above"),
                }
                return out;
            }
            if let Some(exact) = &resolved.exact {
                for number in 0..exact.fragments().len() {
                    let _ = writeln!(out, "=> fragment {number}: {}", exact.text(number));
                }
                let _ = writeln!(out, "=> scratch: {}", resolved.statements[0].sql);
                return out;
            }
            for statement in &resolved.statements {
                let _ = writeln!(out, "=> {}: {}", names[statement.shard], statement.sql);
            }
        }
    }
    out
}

fn value_of(text: &str) -> Value {
    if let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Value::List(list.split(", ").map(value_of).collect());
    }
    match text.parse() {
        _ if text == "NULL" => Value::Null,
        Ok(number) => Value::Int(number),
        Err(_) => Value::Text(text.trim_matches('\'').to_owned()),
    }
}
