//! Trees that are smaller by one step.

use std::collections::BTreeSet;

use super::{Id, Sort, Tree};

/// All trees that come of one step that takes something away, those that lose most first.
pub fn smaller(tree: &Tree) -> Vec<Tree> {
    let mut steps = Vec::new();
    collect(tree, &mut Vec::new(), &mut steps);
    let before = names(tree);
    let length = tree.sql().len();
    let mut all: Vec<(usize, Tree)> = Vec::new();
    for (path, step) in steps {
        let Some(made) = apply(tree, &path, &step) else { continue };
        // What is named nowhere any more is used nowhere any more.
        let gone: BTreeSet<Id> = before.difference(&names(&made)).copied().collect();
        let Some(made) = without(made, &gone) else { continue };
        let (now, is_same) = (made.sql().len(), made == *tree);
        if !is_same && now <= length {
            all.push((now, made));
        }
    }
    all.sort_by_key(|(length, _)| *length);
    all.dedup_by(|(_, left), (_, right)| left == right);
    all.into_iter().map(|(_, tree)| tree).collect()
}

/// A step at a place.
enum Step {
    /// The part goes.
    Drop,
    /// An item of a list goes.
    Item(usize),
    /// A column goes from every select list of the query.
    Column(Id),
    /// The part becomes this one.
    Become(Tree),
}

type Path = Vec<usize>;

fn collect(tree: &Tree, path: &mut Path, steps: &mut Vec<(Path, Step)>) {
    match tree {
        Tree::Text(_) | Tree::Uses(..) | Tree::Fixed(_) => {}
        Tree::All(parts) => {
            for (at, part) in parts.iter().enumerate() {
                deeper(part, at, path, steps);
            }
        }
        Tree::List { items, least, .. } => {
            for (at, item) in items.iter().enumerate() {
                if items.len() > *least {
                    let step = match item {
                        Tree::Column(id, ..) | Tree::Named(id, _) => Step::Column(*id),
                        _ => Step::Item(at),
                    };
                    steps.push((path.clone(), step));
                }
                deeper(item, at, path, steps);
            }
        }
        Tree::Optional(part) => {
            steps.push((path.clone(), Step::Drop));
            deeper(part, 0, path, steps);
        }
        Tree::Node(sort, part) => {
            for within in inner(part, *sort) {
                steps.push((path.clone(), Step::Become(within)));
            }
            if let Some(plain) = sort.plain()
                && part.sql().len() > plain.len()
            {
                steps.push((path.clone(), Step::Become(Tree::from(plain).node(*sort))));
            }
            deeper(part, 0, path, steps);
        }
        Tree::Named(_, part) | Tree::Column(_, _, part) => deeper(part, 0, path, steps),
    }
}

fn deeper(part: &Tree, at: usize, path: &mut Path, steps: &mut Vec<(Path, Step)>) {
    path.push(at);
    collect(part, path, steps);
    path.pop();
}

/// The nodes of a sort within a part.
fn inner(part: &Tree, sort: Sort) -> Vec<Tree> {
    let mut found = Vec::new();
    part.visit(&mut |tree| {
        if matches!(tree, Tree::Node(of, _) if *of == sort) {
            found.push(tree.clone());
        }
    });
    found
}

/// What is named in a tree.
fn names(tree: &Tree) -> BTreeSet<Id> {
    let mut found = BTreeSet::new();
    tree.visit(&mut |tree| {
        if let Tree::Named(id, _) | Tree::Column(id, ..) = tree {
            found.insert(*id);
        }
    });
    found
}

fn apply(tree: &Tree, path: &[usize], step: &Step) -> Option<Tree> {
    let Some((at, rest)) = path.split_first() else {
        return match (step, tree) {
            (Step::Drop, _) => Some(Tree::nothing()),
            (Step::Item(at), Tree::List { separator, items, least }) => {
                let mut items = items.clone();
                items.remove(*at);
                Some(Tree::List { separator, items, least: *least })
            }
            (Step::Become(other), _) => Some(other.clone()),
            _ => None,
        };
    };
    // A column leaves all branches of a UNION at once, wherever it was met first.
    if let Step::Column(id) = step {
        return without(tree.clone(), &BTreeSet::from([*id]));
    }
    let inside = |part: &Tree| apply(part, rest, step).map(Box::new);
    Some(match tree {
        Tree::All(parts) => Tree::All(replaced(parts, *at, rest, step)?),
        Tree::List { separator, items, least } => {
            Tree::List { separator, items: replaced(items, *at, rest, step)?, least: *least }
        }
        Tree::Optional(part) => Tree::Optional(inside(part)?),
        Tree::Node(sort, part) => Tree::Node(*sort, inside(part)?),
        Tree::Named(id, part) => Tree::Named(*id, inside(part)?),
        Tree::Column(id, kind, part) => Tree::Column(*id, *kind, inside(part)?),
        Tree::Text(_) | Tree::Uses(..) | Tree::Fixed(_) => return None,
    })
}

fn replaced(parts: &[Tree], at: usize, rest: &[usize], step: &Step) -> Option<Vec<Tree>> {
    let mut parts = parts.to_vec();
    parts[at] = apply(&parts[at], rest, step)?;
    Some(parts)
}

/// The tree without what uses or names these; `None` if nothing of it can stay.
fn without(tree: Tree, gone: &BTreeSet<Id>) -> Option<Tree> {
    if gone.is_empty() {
        return Some(tree);
    }
    let boxed = |part: Box<Tree>| without(*part, gone).map(Box::new);
    Some(match tree {
        Tree::Text(_) => tree,
        Tree::Uses(id, _) if gone.contains(&id) => return None,
        Tree::Named(id, _) | Tree::Column(id, ..) if gone.contains(&id) => return None,
        Tree::Uses(..) => tree,
        Tree::All(parts) => Tree::All(parts.into_iter().map(|part| without(part, gone)).collect::<Option<_>>()?),
        Tree::Optional(part) => boxed(part).map_or_else(Tree::nothing, Tree::Optional),
        Tree::List { separator, items, least } => {
            let items: Vec<Tree> = items.into_iter().filter_map(|item| without(item, gone)).collect();
            if items.len() < least {
                return None;
            }
            Tree::List { separator, items, least }
        }
        Tree::Node(sort, part) => match boxed(part) {
            Some(part) => Tree::Node(sort, part),
            None => Tree::from(sort.plain()?).node(sort),
        },
        Tree::Named(id, part) => Tree::Named(id, boxed(part)?),
        Tree::Column(id, kind, part) => Tree::Column(id, kind, boxed(part)?),
        Tree::Fixed(part) => Tree::Fixed(boxed(part)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use vitrail_differential::case::Kind;

    fn column(id: Id, of: Id, text: &'static str) -> Tree {
        let tree = Tree::Uses(of, text.into()).node(Sort::Int);
        Tree::Column(id, Kind::Exact, Box::new(tree))
    }

    /// `SELECT a.x, b.x + 1 FROM a JOIN b ON a.x = b.x WHERE b.x > 1 ORDER BY 2`
    fn statement() -> Tree {
        let from = tree![
            Tree::from("a").named(1).node(Sort::Source),
            " JOIN ",
            Tree::from("b").named(2).node(Sort::Source),
            " ON ",
            tree![Tree::Uses(1, "a.x".into()), " = ", Tree::Uses(2, "b.x".into())].node(Sort::Condition)
        ];
        let condition = tree![Tree::Uses(2, "b.x".into()).node(Sort::Int), " > 1"].node(Sort::Condition);
        let sum = tree![Tree::Uses(2, "b.x".into()).node(Sort::Int), " + 1"].node(Sort::Int);
        let second = Tree::Column(4, Kind::Exact, Box::new(sum));
        tree![
            "SELECT ",
            Tree::list(vec![column(3, 1, "a.x"), second]),
            " FROM ",
            from.node(Sort::Source),
            tree![" WHERE ", condition].optional(),
            tree![" ORDER BY ", Tree::Uses(4, "2".into())].optional()
        ]
    }

    fn texts() -> Vec<String> {
        smaller(&statement()).iter().map(Tree::sql).collect()
    }

    #[test]
    fn a_table_takes_along_what_uses_it() {
        let texts = texts();
        assert!(texts.contains(&"SELECT a.x, 1 + 1 FROM a WHERE 1 > 1 ORDER BY 2".to_owned()), "{texts:#?}");
        assert!(texts.contains(&"SELECT 1, b.x + 1 FROM b WHERE b.x > 1 ORDER BY 2".to_owned()), "{texts:#?}");
    }

    #[test]
    fn a_column_takes_along_the_order_by_it() {
        let texts = texts();
        assert!(texts.contains(&"SELECT a.x FROM a JOIN b ON a.x = b.x WHERE b.x > 1".to_owned()), "{texts:#?}");
    }

    #[test]
    fn expressions_become_what_is_in_them_or_plain() {
        let texts = texts();
        let whole = statement().sql();
        assert!(texts.contains(&whole.replace("b.x + 1 FROM", "b.x FROM")), "{texts:#?}");
        assert!(texts.contains(&whole.replace("WHERE b.x > 1", "WHERE TRUE")), "{texts:#?}");
        assert!(texts.contains(&whole.replace(" WHERE b.x > 1", "")), "{texts:#?}");
    }

    #[test]
    fn nothing_grows_and_what_is_fixed_stays() {
        let length = statement().sql().len();
        assert!(texts().iter().all(|text| text.len() <= length));
        let fixed = tree!["SELECT ", Tree::from("12").node(Sort::Int).fixed()];
        assert!(smaller(&fixed).is_empty());
    }
}
