//! A join in the gate.

use std::fmt::Write;

use super::behind;
use super::groups::describe_condition;
use crate::plan::{Equality, JoinPlan, Node, Pick, Slot};

/// The sides of a join, each with its plan. With one shard, all goes there.
pub(super) fn describe(join: &JoinPlan, indent: &str, notes: &dyn Fn(Node) -> Vec<String>) -> String {
    let joined = behind(notes(Node::Join));
    let columns = if join.titles.is_some() { "columns as side 0 has them" } else { "columns from the first" };
    let mut out = format!("{indent}join in the gate, if several shards; {columns}{joined}\n");
    let slot = |slot: usize| {
        let Slot { side, column } = join.slots[slot];
        format!("side {side} column {column}")
    };
    for (number, side) in join.sides.iter().enumerate() {
        let step = &side.step;
        let keys: Vec<String> = step
            .keys
            .iter()
            .map(|key| {
                let how = match &key.equality {
                    Equality::Number => "number",
                    Equality::Bytes => "bytes",
                    Equality::Weight(_) => "weight",
                };
                format!("{} = {} by {how}", slot(key.left), slot(key.right))
            })
            .collect();
        let how = match (number, keys.is_empty()) {
            (0, _) => "read".to_owned(),
            (_, true) => "read all".to_owned(),
            _ => format!("look up in batches where {}", keys.join(" and ")),
        };
        let outer = if step.outer { ", or none" } else { "" };
        let mut conditions = String::new();
        for (what, condition) in [("matching if", &step.matches), ("kept if", &step.after)] {
            if let Some(condition) = condition {
                let _ =
                    write!(conditions, ", {what} {}", describe_condition(condition, &[]).replace("column ", "slot "));
            }
        }
        let behind = behind(notes(Node::Side(number)));
        let _ = writeln!(out, "{indent}  side {number}: {how}{outer}{conditions}{behind}");
        let of_side = |node| match node {
            Node::Shards(None) => notes(Node::Shards(Some(number))),
            _ => Vec::new(),
        };
        for line in side.reading.plan.describe_with(&of_side).lines() {
            let _ = writeln!(out, "{indent}    {line}");
        }
    }
    let picks: Vec<String> = join
        .outputs
        .iter()
        .map(|pick| match pick {
            Pick::Slot(number) => slot(*number),
            Pick::Counted(number) => format!("1 unless {} is null", slot(*number)),
            Pick::One => "1".to_owned(),
            Pick::Null => "null".to_owned(),
        })
        .collect();
    let _ = writeln!(out, "{indent}  give {}", picks.join(", "));
    out
}
