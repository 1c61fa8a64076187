//! Where the parts of a call stand in the text: its arguments, and the clauses inside it.

use std::ops::Range;

use sqlparser::ast::Function;

use super::clauses::{bytes, copy, is_pair, split, split_tokens, undirected};
use super::names::idents;
use super::text::Text;
use super::walk::Walk;

/// The bytes of each argument of a call, `DISTINCT` and inner clauses left out; `None` if the text shows no such call.
pub(super) fn arguments(text: &Text<'_>, function: &Function) -> Option<Vec<Range<usize>>> {
    let inside = call(text, function)?;
    let distinct = usize::from(inside.start < inside.end && text.is_word(&text.tokens[inside.start], "DISTINCT"));
    let start = inside.start + distinct;
    let mut depth = 0;
    let end = (start..inside.end).find(|index| {
        let token = &text.tokens[*index];
        depth += text.nesting(token);
        depth == 0
            && (text.is_word(token, "SEPARATOR")
                || text.is_word(token, "LIMIT")
                || is_pair(text, *index, "ORDER", "BY"))
    });
    Some(split(text, start..end.unwrap_or(inside.end)))
}

/// The bytes of each key of ORDER BY inside a call, without its direction.
pub(super) fn inner_order(text: &Text<'_>, function: &Function) -> Option<Vec<Range<usize>>> {
    let inside = call(text, function)?;
    let mut depth = 0;
    let mut order = None;
    let mut end = inside.end;
    for index in inside {
        let token = &text.tokens[index];
        depth += text.nesting(token);
        if depth == 0 && order.is_none() && is_pair(text, index, "ORDER", "BY") {
            order = Some(index + 2);
        }
        if depth == 0 && order.is_some() && text.is_word(token, "SEPARATOR") {
            end = index;
            break;
        }
    }
    split_tokens(text, order?..end).into_iter().map(|key| bytes(text, &undirected(text, key))).collect()
}

/// The bytes of the text behind SEPARATOR inside a call.
pub(super) fn separator(text: &Text<'_>, function: &Function) -> Option<Range<usize>> {
    let inside = call(text, function)?;
    let mut depth = 0;
    let word = inside.clone().find(|index| {
        depth += text.nesting(&text.tokens[*index]);
        depth == 0 && text.is_word(&text.tokens[*index], "SEPARATOR")
    })?;
    bytes(text, &(word + 1..inside.end))
}

/// The text of a whole call.
pub(super) fn call_text(walk: &Walk<'_>, function: &Function) -> Option<String> {
    copy(walk, call_range(walk.text, function)?)
}

/// The bytes of a whole call.
pub(super) fn call_range(text: &Text<'_>, function: &Function) -> Option<Range<usize>> {
    let start = text.start(idents(&function.name)?.last()?)?;
    Some(start..text.tokens[call(text, function)?.end].end)
}

/// The tokens between the parentheses of a call.
fn call(text: &Text<'_>, function: &Function) -> Option<Range<usize>> {
    let start = text.start(idents(&function.name)?.last()?)?;
    let name = text.tokens.binary_search_by_key(&start, |token| token.start).ok()?;
    let open = name + 1;
    let mut depth = 0;
    for (index, token) in text.tokens.iter().enumerate().skip(open) {
        depth += text.nesting(token);
        if depth == 0 {
            return (index > open).then_some(open + 1..index);
        }
    }
    None
}
