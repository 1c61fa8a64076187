//! A statement as the tree of the rules that made it, so that it can be made smaller by its meaning rather than by its text.
//!
//! The text is what the leaves say, one after the other. The nodes say what may go, and what may stand in another's place.

mod reduce;

use std::borrow::Cow;

use vitrail_differential::case::Kind;

pub use reduce::smaller;

/// What stands for a thing that is named in one place and used in others: a table, a column of a select list.
pub type Id = u32;

/// What a node is. Within a node another of its sort may take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// An integer expression.
    Int,
    /// A decimal one.
    Decimal,
    /// A double.
    Real,
    /// Characters.
    Text,
    /// Bytes.
    Bytes,
    /// A date.
    Date,
    /// A date with a time.
    Moment,
    /// A time.
    Time,
    /// JSON.
    Json,
    /// A condition.
    Condition,
    /// A query of so many columns.
    Query(usize),
    /// What FROM reads.
    Source,
}

impl Sort {
    /// The simplest expression of this sort; `None` for what is no expression.
    pub fn plain(self) -> Option<&'static str> {
        Some(match self {
            Sort::Int => "1",
            Sort::Decimal => "1.5",
            Sort::Real => "1e0",
            Sort::Text => "'a'",
            Sort::Bytes => "X'61'",
            Sort::Date => "DATE'2001-01-01'",
            Sort::Moment => "TIMESTAMP'2001-01-01 00:00:00'",
            Sort::Time => "TIME'01:00:00'",
            Sort::Json => "JSON_ARRAY()",
            Sort::Condition => "TRUE",
            Sort::Query(_) | Sort::Source => return None,
        })
    }
}

/// A part of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Words.
    Text(Cow<'static, str>),
    /// Parts, one after the other.
    All(Vec<Tree>),
    /// A part that may go.
    Optional(Box<Tree>),
    /// Parts of which all but `least` may go.
    List {
        /// Stands between them.
        separator: &'static str,
        /// In order.
        items: Vec<Tree>,
        /// How many have to stay.
        least: usize,
    },
    /// What may become another of its sort.
    Node(Sort, Box<Tree>),
    /// Gives a thing its name.
    Named(Id, Box<Tree>),
    /// A column of the answer, and how it is compared.
    Column(Id, Kind, Box<Tree>),
    /// Uses a thing by its name, and goes with it.
    Uses(Id, Cow<'static, str>),
    /// Stays as it is: what makes an answer determined.
    Fixed(Box<Tree>),
}

impl Tree {
    /// Nothing.
    pub fn nothing() -> Tree {
        Tree::All(Vec::new())
    }

    /// A list with commas, of which one has to stay.
    pub fn list(items: Vec<Tree>) -> Tree {
        Tree::List { separator: ", ", items, least: 1 }
    }

    /// A part that may go.
    pub fn optional(self) -> Tree {
        Tree::Optional(Box::new(self))
    }

    /// A part that stays as it is.
    pub fn fixed(self) -> Tree {
        Tree::Fixed(Box::new(self))
    }

    /// An expression, source or query.
    pub fn node(self, sort: Sort) -> Tree {
        Tree::Node(sort, Box::new(self))
    }

    /// What names `id`.
    pub fn named(self, id: Id) -> Tree {
        Tree::Named(id, Box::new(self))
    }

    /// The statement's text.
    pub fn sql(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// The columns of the answer that are still there, with how they are compared: of the first select list that has any.
    pub fn columns(&self) -> Vec<(Id, Kind)> {
        let mut found: Vec<(Id, Kind)> = Vec::new();
        self.visit(&mut |tree| {
            if let Tree::Column(id, kind, _) = tree
                && !found.iter().any(|(known, _)| known == id)
            {
                found.push((*id, *kind));
            }
        });
        found
    }

    /// Shows every part to `look`, outer ones first, from left to right.
    pub fn visit<'t>(&'t self, look: &mut dyn FnMut(&'t Tree)) {
        look(self);
        match self {
            Tree::Text(_) | Tree::Uses(..) => {}
            Tree::All(parts) | Tree::List { items: parts, .. } => parts.iter().for_each(|part| part.visit(look)),
            Tree::Optional(part)
            | Tree::Node(_, part)
            | Tree::Named(_, part)
            | Tree::Column(_, _, part)
            | Tree::Fixed(part) => part.visit(look),
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Tree::Text(words) | Tree::Uses(_, words) => text.push_str(words),
            Tree::All(parts) => parts.iter().for_each(|part| part.write(text)),
            Tree::List { separator, items, .. } => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        text.push_str(separator);
                    }
                    item.write(text);
                }
            }
            Tree::Optional(part)
            | Tree::Node(_, part)
            | Tree::Named(_, part)
            | Tree::Column(_, _, part)
            | Tree::Fixed(part) => part.write(text),
        }
    }
}

impl From<&'static str> for Tree {
    fn from(words: &'static str) -> Tree {
        Tree::Text(Cow::Borrowed(words))
    }
}

impl From<String> for Tree {
    fn from(words: String) -> Tree {
        Tree::Text(Cow::Owned(words))
    }
}

/// Parts, one after the other; words are parts.
#[macro_export]
macro_rules! tree {
    ($($part:expr),* $(,)?) => { $crate::tree::Tree::All(vec![$($crate::tree::Tree::from($part)),*]) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_the_leaves_say() {
        let list = Tree::list(vec!["a".into(), tree!["b", " + ", "1".to_owned()].node(Sort::Int)]);
        let tree = tree!["SELECT ", list, tree![" LIMIT ", "2"].optional()];
        assert_eq!(tree.sql(), "SELECT a, b + 1 LIMIT 2");
    }
}
