//! Where the clauses of the outermost SELECT stand, by its tokens, so that they can be added to, copied and replaced.

use std::ops::Range;

use vitrail_sql::lexer::TokenKind;

use super::row_limit;
use super::text::Text;
use super::walk::Walk;
use crate::plan::{Edit, Replacement};

/// Words between SELECT and its list.
pub(super) const MODIFIERS: [&str; 11] = [
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_CACHE",
    "SQL_NO_CACHE",
    "SQL_CALC_FOUND_ROWS",
];

/// The bytes of each column of a select list, aliases among them. `select`: the word; `end`: behind the list.
pub(super) fn listed(text: &Text<'_>, select: usize, end: usize) -> Vec<Range<usize>> {
    let is_modifier = |index: &usize| MODIFIERS.iter().any(|word| text.is_word(&text.tokens[*index], word));
    let first = (select + 1..end).find(|index| !is_modifier(index)).unwrap_or(end);
    split(text, first..end)
}

/// Clauses in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clause {
    From,
    /// Of UPDATE, which has no FROM.
    Set,
    Where,
    GroupBy,
    Having,
    Window,
    OrderBy,
    /// Or `OFFSET … FETCH …`.
    Limit,
    /// `FOR UPDATE`, `LOCK IN SHARE MODE` and the like.
    Lock,
    /// Of DELETE.
    Returning,
}

/// Each clause with its tokens, its keyword among them, in order.
pub(super) struct Clauses(Vec<(Clause, Range<usize>)>);

impl Clauses {
    /// `None` if the text has neither FROM nor SET, or its clauses stand in an order that is not MySQL's.
    pub(super) fn of(text: &Text<'_>) -> Option<Clauses> {
        let mut found: Vec<(Clause, Range<usize>)> = Vec::new();
        let mut depth = 0;
        for (index, token) in text.tokens.iter().enumerate() {
            depth += text.nesting(token);
            let Some(clause) = (depth == 0).then(|| begins(text, index)).flatten() else { continue };
            match found.last_mut() {
                None if !matches!(clause, Clause::From | Clause::Set) => continue,
                // `SELECT … FOR UPDATE … LOCK`: all of it is the tail.
                Some((Clause::Lock, _)) => continue,
                Some((last, _)) if *last >= clause => return None,
                Some((_, range)) => range.end = index,
                None => {}
            }
            found.push((clause, index..text.tokens.len()));
        }
        (!found.is_empty()).then_some(Clauses(found))
    }

    pub(super) fn get(&self, clause: Clause) -> Option<Range<usize>> {
        self.0.iter().find(|(known, _)| *known == clause).map(|(_, range)| range.clone())
    }

    /// The bytes of a clause; if it is missing, the place where it would stand.
    fn span(&self, text: &Text<'_>, clause: Clause) -> Range<usize> {
        if let Some(range) = self.get(clause) {
            return text.tokens[range.start].start..text.tokens[range.end - 1].end;
        }
        let next = self.0.iter().find(|(known, _)| *known > clause).map_or(text.tokens.len(), |(_, range)| range.start);
        let end = text.tokens[next - 1].end;
        end..end
    }

    /// The bytes of each key of GROUP BY or ORDER BY, without its direction.
    pub(super) fn keys(&self, text: &Text<'_>, clause: Clause) -> Vec<Range<usize>> {
        let Some(range) = self.get(clause) else { return Vec::new() };
        let keys = split_tokens(text, range.start + 2..range.end).into_iter();
        keys.filter_map(|key| bytes(text, &undirected(text, key))).collect()
    }

    /// The bytes of each column of the select list, aliases among them.
    pub(super) fn columns(&self, text: &Text<'_>) -> Vec<Range<usize>> {
        match (self.get(Clause::From), self.select_word(text)) {
            (Some(from), Some(select)) => listed(text, select, from.start),
            _ => Vec::new(),
        }
    }

    /// The bytes of what stands before SELECT; `None`: nothing does.
    pub(super) fn before_select(&self, text: &Text<'_>) -> Option<Range<usize>> {
        let select = self.select_word(text).filter(|select| *select > 0)?;
        Some(text.tokens[0].start..text.tokens[select].start)
    }

    fn select_word(&self, text: &Text<'_>) -> Option<usize> {
        let mut depth = 0;
        (0..self.get(Clause::From)?.start).find(|index| {
            depth += text.nesting(&text.tokens[*index]);
            depth == 0 && text.is_word(&text.tokens[*index], "SELECT")
        })
    }

    /// Writes `replacement` in place of a clause, or adds it where there is none.
    pub(super) fn replace(&self, walk: &mut Walk<'_>, clause: Clause, replacement: Replacement) {
        let span = self.span(walk.text, clause);
        let replacement = match replacement {
            Replacement::Text(text) if !span.is_empty() => Replacement::Text(text.trim_start().into()),
            other => other,
        };
        edit(walk, span, replacement);
    }

    /// Writes behind a clause, which must be there.
    pub(super) fn append(&self, walk: &mut Walk<'_>, clause: Clause, text: &str) {
        let end = self.span(walk.text, clause).end;
        edit(walk, end..end, Replacement::Text(text.into()));
    }

    /// Writes at the end of the select list.
    pub(super) fn select(&self, walk: &mut Walk<'_>, columns: &str) {
        let from = self.span(walk.text, Clause::From).start;
        edit(walk, from..from, Replacement::Text(columns.into()));
    }
}

/// A key of ORDER BY without its direction.
pub(super) fn undirected(text: &Text<'_>, mut key: Range<usize>) -> Range<usize> {
    let last = key.end.checked_sub(1).map(|last| &text.tokens[last]);
    if last.is_some_and(|last| text.is_word(last, "ASC") || text.is_word(last, "DESC")) {
        key.end -= 1;
    }
    key
}

/// The text of a range of bytes without the qualifiers that are cut; `None` if it holds a literal that the key does not.
pub(super) fn copy(walk: &Walk<'_>, range: Range<usize>) -> Option<String> {
    let statement = walk.text.statement;
    if statement.literals.iter().any(|literal| literal.span.start < range.end && range.start < literal.span.end) {
        return None;
    }
    let mut cuts: Vec<Range<usize>> = walk
        .edits
        .iter()
        .filter(|edit| !edit.scatter_only)
        .map(|edit| statement.position(edit.start)..statement.position(edit.end))
        .filter(|cut| range.start <= cut.start && cut.end <= range.end)
        .collect();
    cuts.sort_unstable_by_key(|cut| cut.start);
    let (mut out, mut position) = (String::with_capacity(range.len()), range.start);
    for cut in cuts {
        out.push_str(&statement.text[position..cut.start.max(position)]);
        position = position.max(cut.end);
    }
    out.push_str(&statement.text[position..range.end]);
    Some(out)
}

fn edit(walk: &mut Walk<'_>, span: Range<usize>, replacement: Replacement) {
    let (start, end) = (walk.text.anchor(span.start), walk.text.anchor(span.end));
    walk.edits.push(Edit { start, end, replacement, scatter_only: true });
}

/// The clause whose keyword stands at `index`.
pub(super) fn begins(text: &Text<'_>, index: usize) -> Option<Clause> {
    let token = &text.tokens[index];
    let before = index.checked_sub(1).map(|before| &text.tokens[before]);
    // `t.limit` is a name, `USE INDEX FOR ORDER BY (k)` a hint.
    if token.kind != TokenKind::Word
        || before.is_some_and(|before| before.kind == TokenKind::Dot || text.is_word(before, "FOR"))
    {
        return None;
    }
    let pair = |first, second| is_pair(text, index, first, second);
    let is = |word| text.is_word(token, word);
    if is("SET") && text.is_word(&text.tokens[0], "UPDATE") {
        Some(Clause::Set)
    } else if is("FROM") {
        Some(Clause::From)
    } else if is("WHERE") {
        Some(Clause::Where)
    } else if pair("GROUP", "BY") {
        Some(Clause::GroupBy)
    } else if is("HAVING") {
        Some(Clause::Having)
    } else if is("WINDOW") {
        Some(Clause::Window)
    } else if pair("ORDER", "BY") {
        Some(Clause::OrderBy)
    } else if is("LIMIT") || row_limit::begins_fetch(text, index) {
        Some(Clause::Limit)
    } else if pair("FOR", "UPDATE") || pair("FOR", "SHARE") || pair("LOCK", "IN") {
        Some(Clause::Lock)
    } else if is("RETURNING") && text.is_word(&text.tokens[0], "DELETE") {
        Some(Clause::Returning)
    } else {
        None
    }
}

/// Whether these two words begin at `index`.
pub(super) fn is_pair(text: &Text<'_>, index: usize, first: &str, second: &str) -> bool {
    text.is_word(&text.tokens[index], first)
        && text.tokens.get(index + 1).is_some_and(|next| text.is_word(next, second))
}

/// The bytes of the parts between the commas of a range of tokens.
pub(super) fn split(text: &Text<'_>, range: Range<usize>) -> Vec<Range<usize>> {
    split_tokens(text, range).iter().filter_map(|part| bytes(text, part)).collect()
}

/// Parts between the commas of a range of tokens.
pub(super) fn split_tokens(text: &Text<'_>, range: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, range.start);
    for index in range.clone() {
        let token = &text.tokens[index];
        depth += text.nesting(token);
        if depth == 0 && token.kind == TokenKind::Comma {
            parts.push(start..index);
            start = index + 1;
        }
    }
    if start < range.end {
        parts.push(start..range.end);
    }
    parts
}

/// The bytes of a range of tokens.
pub(super) fn bytes(text: &Text<'_>, range: &Range<usize>) -> Option<Range<usize>> {
    (range.start < range.end).then(|| text.tokens[range.start].start..text.tokens[range.end - 1].end)
}
