//! UNION, INTERSECT and EXCEPT.

use vitrail_differential::case::Kind;

use super::select::Wish;
use super::{Grammar, Ordered, Read};
use crate::tree;
use crate::tree::{Id, Sort, Tree};

/// Sorts that are the same type in every branch, or become one without a word.
const SORTS: [Sort; 6] = [Sort::Int, Sort::Int, Sort::Decimal, Sort::Date, Sort::Text, Sort::Moment];

impl Grammar<'_> {
    /// A statement that puts queries together, behind `with`.
    pub(super) fn union(&mut self, with: Tree, depth: usize) -> Read {
        let sorts: Vec<Sort> = (0..1 + self.random.below(3)).map(|_| *self.random.pick(&SORTS)).collect();
        let ids: Vec<Id> = sorts.iter().map(|_| self.id()).collect();
        let count = 2 + usize::from(self.random.chance(25));
        let words = [" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "];
        let mut nested = false;
        let mut tree = self.branch(&sorts, &ids, depth);
        for _ in 1..count {
            let mut kind = self.random.weighted(&[5, 6, 2, 2]);
            // At most one of INTERSECT and EXCEPT.
            if nested {
                kind %= 2;
            }
            nested |= kind > 1;
            let branch = self.branch(&sorts, &ids, depth);
            tree = tree![tree, words[kind], branch].node(Sort::Query(ids.len()));
        }
        let ordered = self.random.chance(55);
        let tail = match ordered {
            true => {
                // By all columns: rows that are equal cannot be told apart.
                let keys = ids
                    .iter()
                    .enumerate()
                    .map(|(at, id)| tree![Tree::Uses(*id, format!("x{at}").into()), *self.random.pick(&["", " DESC"])]);
                let keys = Tree::list(keys.collect()).fixed();
                let limit = if self.random.chance(50) { self.limit() } else { Tree::nothing() };
                tree![" ORDER BY ", keys, limit].optional()
            }
            false => Tree::nothing(),
        };
        Read { tree: tree![with, tree, tail].node(Sort::Query(ids.len())), order: Ordered::AsWritten, class: None }
    }

    fn branch(&mut self, sorts: &[Sort], ids: &[Id], depth: usize) -> Tree {
        let select = self.select(None, &Wish::branch(sorts.to_vec(), depth));
        // Its columns are those of the statement.
        renamed(select.tree, &select.ids, ids, sorts)
    }
}

/// The query with columns of the statement in place of its own.
fn renamed(tree: Tree, own: &[Id], ids: &[Id], sorts: &[Sort]) -> Tree {
    let boxed = |part: Box<Tree>| Box::new(renamed(*part, own, ids, sorts));
    let all = |parts: Vec<Tree>| parts.into_iter().map(|part| renamed(part, own, ids, sorts)).collect();
    match tree {
        Tree::Named(id, part) => match own.iter().position(|known| *known == id) {
            Some(at) => {
                let kind = if sorts[at] == Sort::Real { Kind::Real } else { Kind::Exact };
                Tree::Column(ids[at], kind, part)
            }
            None => Tree::Named(id, boxed(part)),
        },
        Tree::All(parts) => Tree::All(all(parts)),
        Tree::List { separator, items, least } => Tree::List { separator, items: all(items), least },
        Tree::Optional(part) => Tree::Optional(boxed(part)),
        Tree::Node(sort, part) => Tree::Node(sort, boxed(part)),
        Tree::Column(id, kind, part) => Tree::Column(id, kind, boxed(part)),
        Tree::Fixed(part) => Tree::Fixed(boxed(part)),
        leaf @ (Tree::Text(_) | Tree::Uses(..)) => leaf,
    }
}
