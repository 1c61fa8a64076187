//! A plan as a tree of text, for EXPLAIN and the golden tests.

use std::fmt::Write;

use super::{
    Aggregate, Comparator, Condition, Divider, Edit, Equality, Filling, Fold, Grouping, Home, InsertPlan, JoinPlan,
    KeyedPlan, MergePlan, Node, Operand, Pick, Pin, Pins, Plan, Replacement, Route, Slot, SortKey, Source, StepsPlan,
    WindowPlan, WritePlan,
};
use crate::vindex::{Part, Vindex};

impl Plan {
    /// The plan as lines: how answers are merged, and below it where they come from.
    pub fn describe(&self) -> String {
        self.describe_with(&|_| Vec::new())
    }

    /// The same, with what `notes` says of each node: of [`Node::Shards`] in lines of their own, of others behind them.
    pub fn describe_with(&self, notes: &dyn Fn(Node) -> Vec<String>) -> String {
        let mut out = String::new();
        let mut indent = "";
        if !matches!(self.merge, MergePlan::Pass) {
            let _ = writeln!(out, "{}{}", merge(&self.merge), behind(notes(Node::Merge)));
            indent = "  ";
        }
        let writes = if self.writes { ", writes" } else { "" };
        if let Some(join) = &self.join {
            out.push_str(&describe_join(join, indent, notes));
            for note in notes(Node::Shards(None)) {
                let _ = writeln!(out, "{indent}  {note}");
            }
            return out;
        }
        out.push_str(&format!("{indent}{} on `{}`{writes}\n", route(&self.route), self.keyspace));
        if let Some(steps) = &self.steps {
            out.push_str(&describe_steps(steps, indent));
            return out;
        }
        if let Some(filling) = &self.filling {
            out.push_str(&format!("{indent}  {}\n", describe_filling(filling)));
        }
        // What fills is said in one line.
        let fills = |edit: &&Edit| {
            self.filling.is_some() && matches!(&edit.replacement, Replacement::Text(text) if !text.is_empty())
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

/// A write in steps. With one shard, the statement goes there as it is.
fn describe_steps(steps: &StepsPlan, indent: &str) -> String {
    let mut out = format!("{indent}in steps, if several shards\n{indent}  read rows\n");
    for line in steps.read.plan.describe().lines() {
        let _ = writeln!(out, "{indent}    {line}");
    }
    let (what, home, columns) = match &steps.write {
        WritePlan::Keyed(keyed) => (format!("write them by {}", keyed.names), &keyed.home, &keyed.columns),
        WritePlan::Insert(insert) => {
            let names: Vec<String> = insert.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            (format!("insert them as {}", names.join(", ")), &insert.home, &insert.columns)
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
    match &steps.write {
        WritePlan::Keyed(KeyedPlan { moving: Some(moving), columns, .. }) => {
            let assigned: Vec<String> = moving
                .assigned
                .iter()
                .map(|(place, source)| format!("{} = {}", columns[*place].name, describe_source(source)))
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

fn describe_filling(filling: &Filling) -> String {
    format!("fill `{}` from the sequence `{}.{}`", filling.column, filling.keyspace, filling.table)
}

fn behind(notes: Vec<String>) -> String {
    if notes.is_empty() { String::new() } else { format!(": {}", notes.join(", ")) }
}

/// The sides of a join, each with its plan. With one shard, all goes there.
fn describe_join(join: &JoinPlan, indent: &str, notes: &dyn Fn(Node) -> Vec<String>) -> String {
    let joined = behind(notes(Node::Join));
    let mut out = format!("{indent}join in the gate, if several shards; columns from the first{joined}\n");
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

fn merge(merge: &MergePlan) -> String {
    match merge {
        MergePlan::Pass => "pass".to_owned(),
        MergePlan::Concat(window) => format!("concat{}", describe_window(window)),
        MergePlan::Sort { keys, window, hidden } => {
            let hidden = if *hidden == 0 { String::new() } else { format!(", hiding {hidden}") };
            format!("merge sort by {}{hidden}{}", describe_keys(keys), describe_window(window))
        }
        MergePlan::Group { grouping, values, window } => describe_grouping(grouping, values, window),
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

fn describe_grouping(grouping: &Grouping, values: &[Source], window: &WindowPlan) -> String {
    let folds: Vec<String> = grouping.folds.iter().map(|fold| describe_fold(fold, values)).collect();
    let mut out = format!("fold {}", folds.join(", "));
    let (group, within) = grouping.keys.split_at(grouping.group_keys);
    if !group.is_empty() {
        let _ = write!(out, ", groups by {}", describe_keys(group));
    }
    if !within.is_empty() {
        let _ = write!(out, ", within by {}", describe_keys(within));
    }
    if let Some(having) = &grouping.having {
        let _ = write!(out, ", having {}", describe_condition(having, values));
    }
    if !grouping.order.is_empty() {
        let _ = write!(out, ", sorted by {}", describe_keys(&grouping.order));
    }
    if grouping.hidden_columns > 0 {
        let _ = write!(out, ", hiding {}", grouping.hidden_columns);
    }
    out + &describe_window(window)
}

fn describe_fold(fold: &Fold, values: &[Source]) -> String {
    let text = match &fold.aggregate {
        Aggregate::Any => "any".to_owned(),
        Aggregate::Count => "count".to_owned(),
        Aggregate::Sum => "sum".to_owned(),
        Aggregate::Extreme(key) => {
            let name = if key.descending { "max" } else { "min" };
            match key.comparison.name() {
                "native" => name.to_owned(),
                other => format!("{name} by column {} {other}", key.column),
            }
        }
        Aggregate::BitAnd => "bit and".to_owned(),
        Aggregate::BitOr => "bit or".to_owned(),
        Aggregate::BitXor => "bit xor".to_owned(),
        Aggregate::Average { sum, count } => format!("average of columns {sum} and {count}"),
        Aggregate::Variance { count, sum, variance, sample, root } => {
            let name = if *root { "deviation" } else { "variance" };
            let of = if *sample { "sample" } else { "population" };
            format!("{name} of {of} of columns {count}, {sum} and {variance}")
        }
        Aggregate::Computed(operand) => describe_operand(operand, values),
        Aggregate::Concat { separator, limit } => format!("concat with {separator:?} up to column {limit}"),
    };
    if fold.distinct { format!("distinct {text}") } else { text }
}

fn describe_operand(operand: &Operand, values: &[Source]) -> String {
    let of = |operand: &Operand| describe_operand(operand, values);
    match operand {
        Operand::Column(column) => format!("column {column}"),
        Operand::Value(index) => values.get(*index).map(describe_source).unwrap_or_default(),
        Operand::Negate(inner) => format!("-({})", of(inner)),
        Operand::Add(left, right) => format!("({} + {})", of(left), of(right)),
        Operand::Subtract(left, right) => format!("({} - {})", of(left), of(right)),
        Operand::Multiply(left, right) => format!("({} * {})", of(left), of(right)),
        Operand::Divide { dividend, divisor, increment } => {
            format!("({} / {} by column {increment})", of(dividend), of(divisor))
        }
        Operand::Coalesce(first, second) => format!("({} or else {})", of(first), of(second)),
    }
}

fn describe_condition(condition: &Condition, values: &[Source]) -> String {
    let inner = |condition: &Condition| describe_condition(condition, values);
    let operand = |operand: &Operand| describe_operand(operand, values);
    match condition {
        Condition::Compare(comparator, left, right) => {
            let sign = match comparator {
                Comparator::Equal => "=",
                Comparator::NotEqual => "<>",
                Comparator::Less => "<",
                Comparator::LessOrEqual => "<=",
                Comparator::Greater => ">",
                Comparator::GreaterOrEqual => ">=",
            };
            format!("{} {sign} {}", operand(left), operand(right))
        }
        Condition::IsNull(of) => format!("{} is null", operand(of)),
        Condition::Not(condition) => format!("not ({})", inner(condition)),
        Condition::And(left, right) => format!("({} and {})", inner(left), inner(right)),
        Condition::Or(left, right) => format!("({} or {})", inner(left), inner(right)),
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
