//! A plan as a tree of text, for EXPLAIN and the golden tests.

use std::fmt::Write;

use super::{Aggregate, MergePlan, Pin, Plan, Replacement, Route, Source, WindowPlan};

impl Plan {
    /// The plan as lines: how answers are merged, and below it where they come from.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        let mut indent = "";
        if !matches!(self.merge, MergePlan::Pass) {
            out.push_str(&merge(&self.merge));
            out.push('\n');
            indent = "  ";
        }
        let writes = if self.writes { ", writes" } else { "" };
        out.push_str(&format!("{indent}{} on `{}`{writes}\n", route(&self.route), self.keyspace));
        for edit in &self.edits {
            let when = if edit.scatter_only { "if several shards: " } else { "" };
            let change = match &edit.replacement {
                Replacement::Text(text) if text.is_empty() => "cut a keyspace qualifier".to_owned(),
                Replacement::Text(text) => format!("add `{}`", text.trim()),
                Replacement::WindowEnd => "limit each shard to offset + limit".to_owned(),
            };
            out.push_str(&format!("{indent}  {when}{change}\n"));
        }
        out
    }
}

fn merge(merge: &MergePlan) -> String {
    match merge {
        MergePlan::Pass => "pass".to_owned(),
        MergePlan::Concat(window) => format!("concat{}", describe_window(window)),
        MergePlan::Sort { keys, window, hidden } => {
            let keys: Vec<String> = keys
                .iter()
                .map(|key| {
                    let direction = if key.descending { " desc" } else { "" };
                    format!("column {} {}{direction}", key.column, key.comparison.name())
                })
                .collect();
            let hidden = if *hidden == 0 { String::new() } else { format!(", hiding {hidden}") };
            format!("merge sort by {}{hidden}{}", keys.join(", "), describe_window(window))
        }
        MergePlan::Aggregate { folds, .. } => {
            let folds: Vec<&str> = folds
                .iter()
                .map(|fold| match fold {
                    Aggregate::Count => "count",
                    Aggregate::Sum => "sum",
                    Aggregate::Min => "min",
                    Aggregate::Max => "max",
                })
                .collect();
            format!("fold {}", folds.join(", "))
        }
        MergePlan::Writes => "add up writes".to_owned(),
        MergePlan::Replicated => "same write everywhere".to_owned(),
    }
}

fn describe_window(window: &WindowPlan) -> String {
    let mut out = String::new();
    if let Some(limit) = &window.limit {
        let _ = write!(out, ", limit {}", describe_source(limit));
    }
    if let Some(offset) = &window.offset {
        let _ = write!(out, ", offset {}", describe_source(offset));
    }
    out
}

fn route(route: &Route) -> String {
    match route {
        Route::AnyShard => "any shard".to_owned(),
        Route::AllShards => "all shards".to_owned(),
        Route::Named(name) => format!("shard `{name}`"),
        Route::Pinned(pins) => {
            let pins: Vec<String> = pins.iter().map(describe_pin).collect();
            format!("the shard of {}", pins.join(" and "))
        }
        Route::Listed(pin) => format!("the shards of {}", describe_pin(pin)),
        Route::Rows { vindex, rows, .. } => {
            let sources: Vec<String> = rows.iter().map(|row| describe_source(&row.source)).collect();
            format!("rows by {}({})", vindex.name(), sources.join(", "))
        }
    }
}

fn describe_pin(pin: &Pin) -> String {
    format!("{} = {}({})", pin.column, pin.vindex.name(), describe_source(&pin.source))
}

fn describe_source(source: &Source) -> String {
    match source {
        Source::Constant(value) => format!("{value:?}"),
        Source::Literal { index, negated } => format!("{}literal {index}", if *negated { "-" } else { "" }),
        Source::Bind(name) => format!(":{name}"),
        Source::Several(sources) => {
            let sources: Vec<String> = sources.iter().map(describe_source).collect();
            format!("each of {}", sources.join(", "))
        }
    }
}
