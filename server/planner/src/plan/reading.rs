//! A query made of pieces of a statement's text, with its plan: what joins and writes in steps read by.

use std::sync::Arc;

use vitrail_sql::normalise::{Anchor, Normalised, normalise};

use super::Plan;
use crate::refusal::Refusal;

/// Of every statement with one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) text: Vec<Part>,
    /// Of the text.
    pub(crate) plan: Plan,
    /// The key of the text: its plan holds for no other.
    pub(crate) key: String,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(Arc<str>),
    /// As it stands in the statement.
    Slice(Anchor, Anchor),
}

impl Reading {
    /// Its text in one statement.
    pub(crate) fn of(&self, statement: &Normalised) -> Result<Normalised, Refusal> {
        let text = text(&self.text, statement)?;
        if text.key != self.key {
            return Err(Refusal::invalid("edit", "the plan does not fit the statement"));
        }
        Ok(text)
    }
}

/// Makes a text of its pieces, and reads it.
pub(crate) fn text(parts: &[Part], statement: &Normalised) -> Result<Normalised, Refusal> {
    normalise(pieces(parts, statement)?.into(), statement.mode)
        .map_err(|error| Refusal::invalid("edit", error.to_string()))
}

/// Makes a text of its pieces.
pub(crate) fn pieces(parts: &[Part], statement: &Normalised) -> Result<String, Refusal> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Slice(start, end) => {
                let slice = statement.text.get(statement.position(*start)..statement.position(*end));
                text.push_str(slice.ok_or_else(|| Refusal::invalid("edit", "the plan does not fit the statement"))?);
            }
        }
    }
    Ok(text)
}
