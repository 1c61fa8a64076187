//! A write in steps.

use std::fmt::Write;

use super::{describe_filling, describe_source, describe_vindex};
use crate::plan::{CompletionPlan, Divider, Home, Node, RehearsalPlan, StepsPlan, WritePlan};
use crate::schema::ColumnSchema;

/// A write in steps. With one shard, the statement goes there as it is.
pub(super) fn describe(steps: &StepsPlan, indent: &str, notes: &dyn Fn(Node) -> Vec<String>) -> String {
    let mut out = format!("{indent}in steps, if several shards\n{indent}  read rows\n");
    let of_reading = |node| match node {
        Node::Shards(None) => notes(Node::Read),
        // What is said of it is said of the whole.
        Node::Merge => Vec::new(),
        node => notes(node),
    };
    for line in steps.read.plan.describe_with(&of_reading).lines() {
        let _ = writeln!(out, "{indent}    {line}");
    }
    match &steps.write {
        WritePlan::Keyed(plans) => {
            for keyed in plans {
                let home = at_home(&keyed.home, &keyed.columns);
                let _ = writeln!(out, "{indent}  write them by {}, {home}", keyed.names);
                if let Some(moving) = &keyed.moving {
                    let named = |place: &usize| &keyed.columns[*place].name;
                    let assigned: Vec<String> = moving
                        .assigned
                        .iter()
                        .map(|(place, source)| format!("{} = {}", named(place), describe_source(source)))
                        .chain(moving.read.iter().map(|place| format!("{} as it was read", named(place))))
                        .collect();
                    let _ = writeln!(out, "{indent}  move them to the shard of {}", assigned.join(", "));
                }
            }
        }
        WritePlan::Allot(allotment) => {
            let home = at_home(&allotment.home, &allotment.columns);
            let _ = writeln!(out, "{indent}  write as many of the first rows, {home}");
        }
        WritePlan::Insert(insert) => {
            let names: Vec<String> = insert.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            let home = at_home(&insert.home, &insert.columns);
            let _ = writeln!(out, "{indent}  insert them as {}, {home}", names.join(", "));
            if let Some((filling, _)) = &insert.filling {
                let _ = writeln!(out, "{indent}  {}", describe_filling(filling));
            }
        }
        WritePlan::Complete(completion) => {
            describe_completion(completion, indent, notes, &mut out);
            return out;
        }
        WritePlan::Rehearse(rehearsal) => {
            let RehearsalPlan { table, key, draft, .. } = &**rehearsal;
            if draft.is_some() {
                let _ = writeln!(out, "{indent}  read rows that its new ones meet");
            }
            let by = if key.is_empty() { "all columns" } else { &*table.row.names };
            let home = at_home(&table.home, &table.row.columns);
            let _ = writeln!(out, "{indent}  write what it changes there, by {by}, {home}");
        }
    }
    for note in notes(Node::Write) {
        let _ = writeln!(out, "{indent}    {note}");
    }
    out
}

/// On which shards rows are.
fn at_home(home: &Home, columns: &[ColumnSchema]) -> String {
    let Home::Divided(dividers) = home else { return "on all shards".to_owned() };
    let divider = |(place, divider): &(usize, Divider)| {
        format!("{}({})", describe_vindex(divider.vindex, divider.part), columns[*place].name)
    };
    format!("on the shard of {}", dividers.iter().map(divider).collect::<Vec<_>>().join(", "))
}

fn describe_completion(
    completion: &CompletionPlan,
    indent: &str,
    notes: &dyn Fn(Node) -> Vec<String>,
    out: &mut String,
) {
    let names: Vec<String> = completion.columns.iter().map(|column| format!("`{}`", column.name)).collect();
    let _ = writeln!(out, "{indent}  insert with what was read for {}", names.join(", "));
    let of_writing = |node| match node {
        Node::Shards(None) => notes(Node::Write),
        _ => Vec::new(),
    };
    for line in completion.statement.plan.describe_with(&of_writing).lines() {
        let _ = writeln!(out, "{indent}    {line}");
    }
}
