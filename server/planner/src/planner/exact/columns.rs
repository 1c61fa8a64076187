//! Which columns of a table are loaded, and how their values travel.
//!
//! A column that the statement does not name is not loaded: it is there, filled by MySQL with what a column has that is not given. That
//! a column is named is told by the statement's words alone, whatever they stand for, so that none is missed. Columns of unique keys are loaded
//! always, or rows would collide.

use std::collections::HashSet;

use vitrail_sql::lexer::TokenKind;

use super::refuse;
use crate::plan::{Carried, Form, quote};
use crate::planner::clauses::MODIFIERS;
use crate::planner::steps::survives;
use crate::planner::text::Text;
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema, Domain, TableSchema};

/// The words of a statement that may name columns, in lower case.
pub(super) struct Words(HashSet<String>);

impl Words {
    pub(super) fn of(text: &Text<'_>) -> Words {
        let word = |token: &vitrail_sql::lexer::Token| match token.kind {
            TokenKind::Word => Some(text.str(token).to_lowercase()),
            TokenKind::QuotedName => {
                let name = text.str(token);
                let mark = &name[..1];
                Some(name[1..name.len() - 1].replace(&mark.repeat(2), mark).to_lowercase())
            }
            // With ANSI_QUOTES a name, without it a text that a JSON path may hold.
            _ => None,
        };
        Words(text.tokens.iter().filter_map(word).collect())
    }

    /// How many `*` stand where they list columns.
    pub(super) fn wildcards(text: &Text<'_>) -> usize {
        let lists = |index: &usize| {
            let before = index.checked_sub(1).map(|before| &text.tokens[before]);
            text.str(&text.tokens[*index]) == "*"
                && before.is_some_and(|before| {
                    matches!(before.kind, TokenKind::Dot | TokenKind::Comma)
                        || text.is_word(before, "SELECT")
                        || MODIFIERS.iter().any(|word| text.is_word(before, word))
                })
        };
        (0..text.tokens.len()).filter(lists).count()
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(&name.to_lowercase())
    }
}

/// What is loaded of a table. `whole`: all of it.
pub(super) fn carried(
    schema: &TableSchema,
    words: &Words,
    whole: bool,
) -> Result<(Vec<Carried>, Option<String>), Refusal> {
    // What a column is computed from is needed for it.
    let computed = |column: &ColumnSchema| column.generated && words.has(&column.name);
    let unique = |column: &ColumnSchema| schema.colliding.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
    let whole = whole
        || words.has("_rowid")
        || schema.columns.iter().any(|column| computed(column) || (column.generated && unique(column)));
    let needed = |column: &&ColumnSchema| {
        !column.generated
            && (whole
                || words.has(&column.name)
                || unique(column)
                // What has no value of its own is refused where it is not given.
                || (column.class == ColumnClass::Other && column.domain == Domain::Other))
    };
    let mut columns: Vec<&ColumnSchema> = schema.columns.iter().filter(needed).collect();
    if columns.is_empty() {
        columns.extend(schema.columns.iter().find(|column| !column.generated));
    }
    if columns.is_empty() {
        return Err(refuse("a table whose columns are all computed"));
    }
    let mut documents = Vec::new();
    let carried = columns.into_iter().map(|column| of(column, &mut documents)).collect();
    Ok((carried, (!documents.is_empty()).then(|| documents.join(" AND "))))
}

fn of(column: &ColumnSchema, documents: &mut Vec<String>) -> Carried {
    let name = quote(&column.name);
    let (read, form) = match (&column.class, column.domain) {
        (ColumnClass::Integer | ColumnClass::Decimal, _) => (name, Form::Number),
        (ColumnClass::Double, _) => (name, Form::Quoted),
        // Its text has fewer digits than its value.
        (ColumnClass::Float, _) => (format!("CAST({name} AS DOUBLE)"), Form::Quoted),
        (ColumnClass::Timestamp, _) => (format!("UNIX_TIMESTAMP({name})"), Form::Instant),
        // By their numbers: a label may be empty, and so is what is none.
        (ColumnClass::Label, _) | (_, Domain::Bits) => (format!("CAST({name} AS UNSIGNED)"), Form::Number),
        (ColumnClass::Binary, _) => (name, Form::Bytes),
        (_, Domain::Documents) => {
            documents.push(format!("({})", survives(&name)));
            (format!("CAST({name} AS CHAR)"), Form::Quoted)
        }
        (ColumnClass::Other, Domain::Other) => (name, Form::Opaque),
        _ => (name, Form::Quoted),
    };
    Carried { name: column.name.as_str().into(), read: read.into(), form }
}
