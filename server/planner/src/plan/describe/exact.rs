//! Fragments and what runs over them, as text.

use std::fmt::Write;

use super::super::exact::FragmentRows;
use super::super::{ExactPlan, Node};
use super::behind;

pub(super) fn describe(exact: &ExactPlan, locks: bool, notes: &dyn Fn(Node) -> Vec<String>) -> String {
    let (count, s) = (exact.fragments.len(), if exact.fragments.len() == 1 { "" } else { "s" });
    let mut out = format!("exact, on the scratch server over {count} fragment{s}\n");
    for note in notes(Node::Scratch) {
        let _ = writeln!(out, "  {note}");
    }
    for (number, fragment) in exact.fragments.iter().enumerate() {
        let of = format!("`{}`.`{}`", fragment.keyspace, fragment.table);
        let name = if fragment.name == fragment.table { String::new() } else { format!(" as `{}`", fragment.name) };
        let said = behind(notes(Node::Fragment(number)));
        let (whole, reductions) = match &fragment.rows {
            FragmentRows::Copy(source) => {
                let _ = writeln!(out, "  fragment {number}: copy of fragment {source}{name}{said}");
                continue;
            }
            FragmentRows::None => {
                let _ = writeln!(out, "  fragment {number}: {of}{name}, without rows{said}");
                continue;
            }
            FragmentRows::Read { whole, reductions, .. } => (whole, reductions),
        };
        let columns: Vec<&str> = fragment.columns.iter().map(|column| &*column.name).collect();
        let locked = if locks && whole.plan.writes { ", locked" } else { "" };
        let _ = writeln!(out, "  fragment {number}: rows of {of}{name} ({}){locked}{said}", columns.join(", "));
        for reduction in reductions {
            let by = &reduction.reduction;
            let _ =
                writeln!(out, "    if they are few: only those that `{}` of fragment {} names", by.column, by.source);
        }
        for line in whole.plan.describe().lines() {
            let _ = writeln!(out, "    {line}");
        }
        for note in notes(Node::Shards(Some(number))) {
            let _ = writeln!(out, "      {note}");
        }
    }
    out
}
