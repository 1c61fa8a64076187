//! A write in steps.

use std::fmt::Write;

use super::{describe_filling, describe_source, describe_vindex};
use crate::plan::{CompletionPlan, Divider, Home, InsertPlan, KeyedPlan, Node, StepsPlan, WritePlan};

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
    let (what, home, columns) = match &steps.write {
        WritePlan::Keyed(keyed) => (format!("write them by {}", keyed.names), &keyed.home, &keyed.columns),
        WritePlan::Insert(insert) => {
            let names: Vec<String> = insert.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            (format!("insert them as {}", names.join(", ")), &insert.home, &insert.columns)
        }
        WritePlan::Complete(completion) => {
            describe_completion(completion, indent, notes, &mut out);
            return out;
        }
    };
    let home = match home {
        Home::Everywhere => "on all shards".to_owned(),
        Home::Divided(dividers) => {
            let divider = |(place, divider): &(usize, Divider)| {
                format!("{}({})", describe_vindex(divider.vindex, divider.part), columns[*place].name)
            };
            format!("on the shard of {}", dividers.iter().map(divider).collect::<Vec<_>>().join(", "))
        }
    };
    let _ = writeln!(out, "{indent}  {what}, {home}");
    for note in notes(Node::Write) {
        let _ = writeln!(out, "{indent}    {note}");
    }
    match &steps.write {
        WritePlan::Keyed(KeyedPlan { moving: Some(moving), columns, .. }) => {
            let assigned: Vec<String> = moving
                .assigned
                .iter()
                .map(|(place, source)| format!("{} = {}", columns[*place].name, describe_source(source)))
                .chain(moving.read.iter().map(|place| format!("{} as it was read", columns[*place].name)))
                .collect();
            let _ = writeln!(out, "{indent}  move them to the shard of {}", assigned.join(", "));
        }
        WritePlan::Insert(InsertPlan { filling: Some((filling, _)), .. }) => {
            let _ = writeln!(out, "{indent}  {}", describe_filling(filling));
        }
        _ => {}
    }
    out
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
