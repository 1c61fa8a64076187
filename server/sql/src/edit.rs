//! Edits of a statement by position: worked out once, applied to every statement with the same key.

use crate::error::SqlError;
use crate::normalise::{Anchor, Normalised};

/// One replacement; an insertion if both anchors are equal, a deletion if the text is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where it begins.
    pub from: Anchor,
    /// Where it ends.
    pub to: Anchor,
    /// What stands there afterwards.
    pub text: Box<str>,
}

/// Edits in the order of their positions, none overlapping. Edits at one position are kept in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    list: Vec<Edit>,
}

impl Edits {
    /// No edits.
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Replaces what stands from `from` to `to`.
    pub fn replace(&mut self, from: Anchor, to: Anchor, text: impl Into<Box<str>>) {
        let place = self.list.partition_point(|edit| (edit.from, edit.to) <= (from, to));
        self.list.insert(place, Edit { from, to, text: text.into() });
    }

    /// Puts `text` at `at`.
    pub fn insert(&mut self, at: Anchor, text: impl Into<Box<str>>) {
        self.replace(at, at, text);
    }

    /// Takes away what stands from `from` to `to`.
    pub fn delete(&mut self, from: Anchor, to: Anchor) {
        self.replace(from, to, "");
    }

    /// All, in order.
    pub fn as_slice(&self) -> &[Edit] {
        &self.list
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The whole text of `statement`, margin comments included, with these edits; every byte outside them is as it was.
    ///
    /// # Errors
    /// [`SqlError::Edit`] if edits overlap or the statement has another key than the one they were made for.
    pub fn apply(&self, statement: &Normalised) -> Result<String, SqlError> {
        let text = &*statement.text;
        let added: usize = self.list.iter().map(|edit| edit.text.len()).sum();
        let mut out = String::with_capacity(text.len() + added);
        let mut copied = 0;
        for edit in &self.list {
            let (from, to) = (statement.position(edit.from), statement.position(edit.to));
            if from < copied || to < from {
                return Err(SqlError::Edit { reason: "two of them overlap" });
            }
            let kept = text.get(copied..from).ok_or(SqlError::Edit { reason: "one lies inside a character" })?;
            out.push_str(kept);
            out.push_str(&edit.text);
            copied = to;
        }
        out.push_str(text.get(copied..).ok_or(SqlError::Edit { reason: "one lies inside a character" })?);
        Ok(out)
    }
}
