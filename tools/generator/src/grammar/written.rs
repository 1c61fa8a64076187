//! Tables whose rows stand in the statement: JSON_TABLE and VALUES.

use super::Grammar;
use crate::scope::{Source, Value};
use crate::tree;
use crate::tree::{Sort, Tree};

/// The most rows of such a table.
const ROWS: usize = 5;

impl Grammar<'_> {
    /// One of them.
    pub(super) fn written(&mut self) -> (Tree, Source) {
        let rows: Vec<[Option<i64>; 2]> =
            (0..1 + self.random.below(ROWS)).map(|_| [self.number(), self.number()]).collect();
        match self.is_mysql() && self.random.chance(40) {
            true => self.constructed(&rows),
            false => self.document(&rows),
        }
    }

    fn number(&mut self) -> Option<i64> {
        (!self.random.chance(15)).then(|| self.random.between(-5, 40))
    }

    fn constructed(&mut self, rows: &[[Option<i64>; 2]]) -> (Tree, Source) {
        let cell = |cell: &Option<i64>| cell.map_or_else(|| "NULL".to_owned(), |number| number.to_string());
        let row = |[first, second]: &[Option<i64>; 2]| Tree::from(format!("ROW({}, {})", cell(first), cell(second)));
        let rows = Tree::list(rows.iter().map(row).collect());
        let id = self.id();
        let alias = format!("t{id}");
        let tree = tree!["(VALUES ", rows, ") AS ", alias.clone(), " (k, n)"];
        (tree.named(id).node(Sort::Source), self.seen(id, alias, &["k", "n"]))
    }

    fn document(&mut self, rows: &[[Option<i64>; 2]]) -> (Tree, Source) {
        // What is missing is NULL, too.
        let cell = |name: &str, cell: &Option<i64>| cell.map(|number| format!("\"{name}\": {number}"));
        let row = |[first, second]: &[Option<i64>; 2]| {
            let cells: Vec<String> = [cell("k", first), cell("n", second)].into_iter().flatten().collect();
            format!("{{{}}}", cells.join(", "))
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        let id = self.id();
        let alias = format!("t{id}");
        let tree = tree![
            format!(
                "JSON_TABLE('[{}]', '$[*]' COLUMNS (id FOR ORDINALITY, k INT PATH '$.k', n INT PATH '$.n' NULL ON EMPTY)) AS ",
                rows.join(", ")
            ),
            alias.clone()
        ];
        let mut source = self.seen(id, alias, &["id", "k", "n"]);
        source.values[0].unsigned = true;
        source.key = vec![0];
        (tree.named(id).node(Sort::Source), source)
    }

    fn seen(&self, id: u32, alias: String, names: &[&str]) -> Source {
        let value = |name: &&str| Value::new(Sort::Int, Tree::Uses(id, format!("{alias}.{name}").into()));
        Source {
            id,
            values: names.iter().map(value).collect(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            key: Vec::new(),
            alias,
        }
    }
}
