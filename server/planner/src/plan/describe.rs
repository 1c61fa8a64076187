//! A plan as a tree of text, for EXPLAIN and the golden tests.

mod exact;
mod groups;
mod join;
mod steps;

use std::fmt::Write;

use super::{
    Divider, Edit, Filling, MergePlan, Node, Pin, Pins, Plan, Replacement, Route, SortKey, Source, WindowPlan,
};
use crate::vindex::{Part, Vindex};

impl Plan {
    /// The plan as lines: how answers are merged, and below it where they come from.
    pub fn describe(&self) -> String {
        self.describe_with(&|_| Vec::new())
    }

    /// The same, with what `notes` says of each node: of [`Node::Shards`] in lines of their own, of others behind them.
    pub fn describe_with(&self, notes: &dyn Fn(Node) -> Vec<String>) -> String {
        if let Some(exact) = &self.exact {
            return exact::describe(exact, self.writes, notes);
        }
        let mut out = String::new();
        let mut indent = "";
        if !matches!(self.merge, MergePlan::Pass) {
            let _ = writeln!(out, "{}{}", merge(&self.merge), behind(notes(Node::Merge)));
            indent = "  ";
        }
        let writes = if self.writes { ", writes" } else { "" };
        if let Some(join) = &self.join {
            out.push_str(&join::describe(join, indent, notes));
            for note in notes(Node::Shards(None)) {
                let _ = writeln!(out, "{indent}  {note}");
            }
            return out;
        }
        out.push_str(&format!("{indent}{} on `{}`{writes}\n", route(&self.route), self.keyspace));
        if let Some(steps) = &self.steps {
            out.push_str(&steps::describe(steps, indent, notes));
            return out;
        }
        if let Some(filling) = &self.filling {
            out.push_str(&format!("{indent}  {}\n", describe_filling(filling)));
        }
        if let Some(asked) = &self.asked {
            let columns: Vec<String> = asked.columns().map(|column| format!("`{}`", column.name)).collect();
            out.push_str(&format!("{indent}  work out values for {} before\n", columns.join(", ")));
        }
        // What fills is said in one line, and a blank is not worth one.
        let fills = |edit: &&Edit| match &edit.replacement {
            Replacement::Text(text) => !text.is_empty() && (self.filling.is_some() || text.trim().is_empty()),
            _ => false,
        };
        for edit in self.edits.iter().filter(|edit| !fills(edit)) {
            let when = if edit.scatter_only { "if several shards: " } else { "" };
            let change = match &edit.replacement {
                Replacement::Text(text) if text.is_empty() => "cut a keyspace qualifier".to_owned(),
                Replacement::Text(text) if edit.start == edit.end => format!("add `{}`", text.trim()),
                Replacement::Text(text) => format!("write `{}`", text.trim()),
                Replacement::Without(clause) => format!("cut {clause}"),
                Replacement::WindowEnd => "limit each shard to offset + limit".to_owned(),
            };
            out.push_str(&format!("{indent}  {when}{change}\n"));
        }
        for note in notes(Node::Shards(None)) {
            let _ = writeln!(out, "{indent}  {note}");
        }
        out
    }
}

fn describe_filling(filling: &Filling) -> String {
    format!("fill `{}` from the sequence `{}.{}`", filling.column, filling.keyspace, filling.table)
}

fn behind(notes: Vec<String>) -> String {
    if notes.is_empty() { String::new() } else { format!(": {}", notes.join(", ")) }
}

fn merge(merge: &MergePlan) -> String {
    match merge {
        MergePlan::Pass => "pass".to_owned(),
        MergePlan::Concat(window) => format!("concat{}", describe_window(window)),
        MergePlan::Sort { keys, window, hidden, .. } => {
            let hidden = if *hidden == 0 { String::new() } else { format!(", hiding {hidden}") };
            format!("merge sort by {}{hidden}{}", describe_keys(keys), describe_window(window))
        }
        MergePlan::Group { grouping, values, window } => groups::describe(grouping, values, window),
        MergePlan::Writes => "add up writes".to_owned(),
        MergePlan::Replicated => "same write everywhere".to_owned(),
    }
}

fn describe_keys(keys: &[SortKey]) -> String {
    let key = |key: &SortKey| {
        let direction = if key.descending { " desc" } else { "" };
        format!("column {} {}{direction}", key.column, key.comparison.name())
    };
    keys.iter().map(key).collect::<Vec<_>>().join(", ")
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
            let pins: Vec<String> = pins.iter().map(describe_pins).collect();
            format!("the shard of {}", pins.join(" and "))
        }
        Route::Listed(pins) => format!("the shards of {}", describe_pins(pins)),
        Route::Rows { columns, rows } => {
            let of_column = |(number, column): (usize, &Divider)| {
                let sources: Vec<String> = rows.iter().map(|row| describe_source(&row.sources[number])).collect();
                format!("{}({})", describe_vindex(column.vindex, column.part), sources.join(", "))
            };
            let columns: Vec<String> = columns.iter().enumerate().map(of_column).collect();
            format!("rows by {}", columns.join(", "))
        }
    }
}

fn describe_pins(pins: &Pins) -> String {
    let columns: Vec<String> = pins.columns.iter().map(describe_pin).collect();
    columns.join(", ")
}

fn describe_pin(pin: &Pin) -> String {
    format!("{} = {}({})", pin.column, describe_vindex(pin.vindex, pin.part), describe_source(&pin.source))
}

fn describe_vindex(vindex: Vindex, part: Part) -> String {
    match part {
        Part::Whole => vindex.name().to_owned(),
        Part::First(bytes) => format!("first {bytes} of {}", vindex.name()),
        Part::Last(bytes) => format!("last {bytes} of {}", vindex.name()),
    }
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
