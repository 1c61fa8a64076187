//! FROM: tables, derived tables, CTEs and tables that are written in the statement, joined in all forms.

use super::Grammar;
use super::select::{Select, Wish};
use crate::schema::Placement;
use crate::scope::{Scope, Source, Value, source};
use crate::tree;
use crate::tree::{Id, Sort, Tree};

/// A CTE of the statement under way.
#[derive(Debug, Clone)]
pub(super) struct Common {
    name: String,
    id: Id,
    select: Select,
}

impl Grammar<'_> {
    /// What FROM reads, of at most `most` tables, and what is in sight then.
    pub(super) fn from<'o>(&mut self, outer: Option<&'o Scope<'o>>, depth: usize, most: usize) -> (Tree, Scope<'o>) {
        let (first, source) = self.single(depth);
        let mut scope = Scope { sources: vec![source], outer };
        let mut tree = first;
        let count = [1, 2, 3][self.random.weighted(&[50, 35, 15])].min(most);
        while scope.sources.len() < count {
            tree = self.joined(tree, &mut scope, depth);
        }
        (tree, scope)
    }

    /// `left` joined with one source more.
    fn joined(&mut self, left: Tree, scope: &mut Scope<'_>, depth: usize) -> Tree {
        if depth > 0 && self.is_mysql() && self.random.chance(8) {
            return self.lateral(left, scope, depth);
        }
        if scope.sources.len() == 1
            && self.random.chance(10)
            && let Some(tree) = self.by_name(&left, scope)
        {
            return tree;
        }
        let (right, source) = self.single(depth);
        scope.sources.push(source);
        let on = self.match_of(scope, depth);
        let tree = match self.random.weighted(&[5, 4, 3, 2, 1, 1, 1]) {
            0 | 1 => tree![left, " JOIN ", right, " ON ", on],
            2 => tree![left, " LEFT JOIN ", right, " ON ", on],
            3 => tree![left, " RIGHT JOIN ", right, " ON ", on],
            4 => tree![left, " STRAIGHT_JOIN ", right, " ON ", on],
            // sqlparser takes no derived table alone in parentheses.
            5 if !matches!(&right, Tree::Node(_, part) if part.sql().starts_with('(')) => {
                tree![left, " INNER JOIN (", right, ") ON ", on]
            }
            _ if depth > 0 => {
                // One more in parentheses, joined to the right one first.
                let (third, source) = self.single(0);
                scope.sources.push(source);
                let last = Scope { sources: scope.sources[scope.sources.len() - 2..].to_vec(), outer: None };
                let inner = self.match_of(&last, 0);
                let kind = *self.random.pick(&[" LEFT JOIN (", " JOIN ("]);
                tree![left, kind, tree![right, " JOIN ", third, " ON ", inner].node(Sort::Source), ") ON ", on]
            }
            _ => tree![left, " JOIN ", right, " ON ", on],
        };
        tree.node(Sort::Source)
    }

    /// NATURAL JOIN, or USING a column of both.
    fn by_name(&mut self, left: &Tree, scope: &mut Scope<'_>) -> Option<Tree> {
        let (right, source) = self.single(0);
        let first = &scope.sources[0];
        let fits = |name: &String| -> bool {
            let place = |source: &Source| source.names.iter().position(|known| known == name);
            let (Some(left), Some(right)) = (place(first), place(&source)) else { return false };
            let (left, right) = (&first.values[left], &source.values[right]);
            left.sort == right.sort && left.collation == right.collation
        };
        let shared: Vec<String> = first.names.iter().filter(|name| source.names.contains(name)).cloned().collect();
        let good: Vec<String> = shared.iter().filter(|name| fits(name)).cloned().collect();
        let kind = *self.random.pick(&[" JOIN ", " LEFT JOIN "]);
        let tree = if !shared.is_empty() && shared == good && self.random.chance(40) {
            let kind = *self.random.pick(&[" NATURAL JOIN ", " NATURAL LEFT JOIN "]);
            tree![left.clone(), kind, right]
        } else {
            let keys: Vec<String> = ["k", "region", "id", "n"].map(str::to_owned).into();
            let known: Vec<String> = keys.into_iter().filter(|name| good.contains(name)).collect();
            let count = 1 + self.random.below(known.len().max(1));
            if known.is_empty() {
                return None;
            }
            tree![left.clone(), kind, right, " USING (", known[..count.min(known.len())].join(", "), ")"]
        };
        scope.sources.push(source);
        Some(tree.node(Sort::Source))
    }

    /// A derived table that looks at the tables before it.
    fn lateral(&mut self, left: Tree, scope: &mut Scope<'_>, depth: usize) -> Tree {
        let before = scope.clone();
        let select = self.select(Some(&before), &Wish::derived(depth - 1));
        let (right, source) = self.shown(select, "LATERAL ");
        scope.sources.push(source);
        match self.random.chance(50) {
            true => tree![left, ", ", right],
            false => tree![left, " LEFT JOIN ", right, " ON TRUE"],
        }
        .node(Sort::Source)
    }

    /// How the last source belongs to those before it.
    fn match_of(&mut self, scope: &Scope<'_>, depth: usize) -> Tree {
        let (last, before) = (&scope.sources[scope.sources.len() - 1], &scope.sources[..scope.sources.len() - 1]);
        let mut terms: Vec<Tree> = Vec::new();
        // By columns of the same name, which are mostly those that rows lie by.
        let other = &before[self.random.below(before.len())];
        for name in ["k", "region", "id"] {
            let value = |source: &Source| {
                let at = source.names.iter().position(|known| known == name)?;
                source.values.get(at).cloned()
            };
            if let (Some(left), Some(right)) = (value(other), value(last))
                && left.sort == right.sort
                && left.collation == right.collation
                && self.random.chance(if name == "id" { 35 } else { 75 })
            {
                terms.push(tree![left.tree, " = ", right.tree].node(Sort::Condition));
            }
        }
        if terms.is_empty() || self.random.chance(25) {
            let sort = *self.random.pick(&[Sort::Int, Sort::Int, Sort::Decimal, Sort::Date, Sort::Text]);
            let of = |source: &Source| -> Vec<Value> {
                source.values.iter().filter(|value| value.sort == sort).cloned().collect()
            };
            let (left, right) = (of(other), of(last));
            if !left.is_empty() && !right.is_empty() {
                let (left, right) = (self.random.pick(&left).clone(), self.random.pick(&right).clone());
                if left.collation == right.collation {
                    let operator = *self.random.pick(&[" = ", " = ", " = ", " <=> ", " < ", " >= "]);
                    terms.push(tree![left.tree, operator, right.tree].node(Sort::Condition));
                }
            }
        }
        if terms.is_empty() || self.random.chance(20) {
            let narrow = Scope { sources: scope.sources.clone(), outer: None };
            terms.push(self.condition(&narrow, depth.min(1)));
        }
        Tree::List { separator: " AND ", items: terms, least: 1 }.node(Sort::Condition)
    }

    /// One source.
    fn single(&mut self, depth: usize) -> (Tree, Source) {
        if !self.tables.is_empty() && self.random.chance(50) {
            return self.common();
        }
        if depth > 0 && self.random.chance(14) {
            let select = self.select(None, &Wish::derived(depth - 1));
            return self.shown(select, "");
        }
        if depth > 0 && self.random.chance(5) {
            return self.written();
        }
        let table = self.table();
        let id = self.id();
        let alias = format!("t{id}");
        let hint = match self.random.below(40) {
            0 => " USE INDEX (PRIMARY)",
            1 => " IGNORE INDEX (PRIMARY)",
            _ => "",
        };
        let tree = tree![table.name.clone(), " AS ", alias.clone(), Tree::from(hint).optional()];
        (tree.named(id).node(Sort::Source), source(table, id, &alias))
    }

    /// A table of one of the tables that are whole in one place, for a statement of its own.
    pub(super) fn beside(&mut self) -> (Tree, Source) {
        let table = &self.schema.beside[self.random.below(self.schema.beside.len())];
        debug_assert!(table.placement == Placement::Unsharded, "the keyspace beside is unsharded");
        let id = self.id();
        let alias = format!("t{id}");
        let tree = tree![format!("{}.{}", self.beside, table.name), " AS ", alias.clone()];
        (tree.named(id).node(Sort::Source), source(table, id, &alias))
    }

    /// A derived table.
    fn shown(&mut self, select: Select, word: &'static str) -> (Tree, Source) {
        let id = self.id();
        let alias = format!("t{id}");
        let source = outside(&select, id, &alias);
        (tree![word, "(", select.tree, ") AS ", alias].named(id).node(Sort::Source), source)
    }

    /// A CTE under an alias of its own.
    fn common(&mut self) -> (Tree, Source) {
        let common = self.random.pick(&self.tables).clone();
        let id = self.id();
        let alias = format!("t{id}");
        let source = outside(&common.select, id, &alias);
        let tree = tree![Tree::Uses(common.id, common.name.into()), " AS ", alias];
        (tree.named(id).node(Sort::Source), source)
    }

    /// `WITH …`, or nothing. Its tables are in sight until they are taken from `tables`.
    pub(super) fn with(&mut self, depth: usize) -> Tree {
        if !self.random.chance(12) {
            return Tree::nothing();
        }
        let mut items = Vec::new();
        let mut made = Vec::new();
        let recursive = self.random.chance(25);
        for _ in 0..1 + self.random.below(2) {
            let id = self.id();
            let name = format!("w{id}");
            let (tree, select) = if recursive {
                self.numbers(&name)
            } else {
                let select = self.select(None, &Wish::derived(depth));
                (tree![name.clone(), " AS (", select.tree.clone(), ")"], select)
            };
            items.push(tree.named(id));
            let common = Common { name, id, select };
            // Later ones may read earlier ones.
            self.tables.push(common.clone());
            made.push(common);
        }
        let word = if recursive { "WITH RECURSIVE " } else { "WITH " };
        tree![word, Tree::list(items), " "].optional()
    }

    /// Numbers from 1 on.
    fn numbers(&mut self, name: &str) -> (Tree, Select) {
        let id = self.id();
        let last = self.random.between(2, 9).to_string();
        let tree = tree![
            name.to_owned(),
            " AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM ",
            name.to_owned(),
            " WHERE n < ",
            last,
            ")"
        ];
        let tree = tree.named(id);
        let value = Value::new(Sort::Int, Tree::nothing());
        (
            tree,
            Select { tree: Tree::nothing(), values: vec![value], names: vec!["n".into()], ids: vec![id], key: vec![0] },
        )
    }
}

/// A query's columns as they are seen under an alias.
fn outside(select: &Select, id: Id, alias: &str) -> Source {
    let columns = select.values.iter().zip(&select.names).zip(&select.ids);
    let value = |((value, name), column): ((&Value, &String), &Id)| {
        // Goes with the column, and with the table whose alias it has.
        let tree = tree![Tree::Uses(*column, "".into()), Tree::Uses(id, format!("{alias}.{name}").into())];
        Value { tree: tree.node(value.sort), ..value.clone() }
    };
    Source {
        id,
        alias: alias.to_owned(),
        values: columns.map(value).collect(),
        names: select.names.clone(),
        key: select.key.clone(),
    }
}
