//! What a literal of SQL text means: escapes, digits, hex.

use std::borrow::Cow;
use std::ops::Range;

use vitrail_proto::value::Value;

use crate::error::SqlError;
use crate::lexer::{LexMode, Lexer, TokenKind};
use crate::normalise::LiteralKind;

/// Decodes the literal of `kind` at `span`. Numbers may have a minus in front.
///
/// Integers become [`Value::Int`] or, above `i64::MAX`, [`Value::UInt`], beyond that [`Value::Decimal`] as in MySQL; strings
/// become [`Value::Text`] or, if escapes make them no UTF-8, [`Value::Bytes`].
///
/// # Errors
/// Hex or bits that MySQL refuses, a span that holds no such literal.
pub fn decode(text: &str, span: Range<usize>, kind: LiteralKind, mode: LexMode) -> Result<Value, SqlError> {
    let fail = |reason| SqlError::Literal { position: span.start, reason };
    let source = text.get(span.clone()).ok_or(fail("it lies outside the statement"))?;
    match kind {
        LiteralKind::Integer => Ok(integer(&signed(source))),
        LiteralKind::Decimal => Ok(Value::Decimal(signed(source).into_owned())),
        LiteralKind::Float => {
            let number: f64 = signed(source).parse().map_err(|_| fail("it is no number"))?;
            if number.is_finite() { Ok(Value::Double(number)) } else { Err(fail("it is out of the range of a double")) }
        }
        LiteralKind::String => {
            let bytes = strings(source, mode)?;
            Ok(String::from_utf8(bytes).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text))
        }
        LiteralKind::Hex => hex(source).map(Value::Bytes).ok_or(fail("x'…' needs pairs of hex digits")),
        LiteralKind::Bits => bits(source).map(Value::Bytes).ok_or(fail("b'…' needs digits 0 and 1")),
        LiteralKind::List => Err(fail("a list is no single literal")),
    }
}

/// The kind of the single literal that covers exactly `span`, a minus before a number included; `None` if it is none.
///
/// # Errors
/// What the lexer refuses.
pub fn whole_literal(text: &str, span: Range<usize>, mode: LexMode) -> Result<Option<LiteralKind>, SqlError> {
    let Some(source) = text.as_bytes().get(..span.end) else { return Ok(None) };
    let mut lexer = Lexer::new(source, mode);
    lexer.seek(span.start);
    let mut found = None;
    let mut sign = false;
    while let Some(token) = lexer.next_token()? {
        let kind = match token.kind {
            TokenKind::Integer => LiteralKind::Integer,
            TokenKind::Decimal => LiteralKind::Decimal,
            TokenKind::Float => LiteralKind::Float,
            TokenKind::String => LiteralKind::String,
            TokenKind::Hex => LiteralKind::Hex,
            TokenKind::Bits => LiteralKind::Bits,
            TokenKind::Operator if !sign && found.is_none() && source[token.start] == b'-' => {
                sign = true;
                continue;
            }
            _ => return Ok(None),
        };
        match found {
            None => found = Some(kind),
            Some(LiteralKind::String) if kind == LiteralKind::String => {}
            Some(_) => return Ok(None),
        }
    }
    let numeric = matches!(found, Some(LiteralKind::Integer | LiteralKind::Decimal | LiteralKind::Float));
    Ok(found.filter(|_| numeric || !sign))
}

/// The text of a name: quotes taken off, doubled ones made one.
pub fn unquote_name(source: &str) -> Cow<'_, str> {
    match source.as_bytes().first() {
        Some(&quote @ (b'`' | b'"')) if source.len() >= 2 => {
            let inside = &source[1..source.len() - 1];
            let quote = char::from(quote);
            if inside.contains(quote) {
                Cow::Owned(inside.replace(&format!("{quote}{quote}"), &quote.to_string()))
            } else {
                Cow::Borrowed(inside)
            }
        }
        _ => Cow::Borrowed(source),
    }
}

/// `- 5` to `-5`.
fn signed(source: &str) -> Cow<'_, str> {
    match source.strip_prefix('-') {
        Some(rest) => Cow::Owned(format!("-{}", rest.trim_start())),
        None => Cow::Borrowed(source),
    }
}

fn integer(source: &str) -> Value {
    if let Ok(number) = source.parse::<i64>() {
        return Value::Int(number);
    }
    match source.parse::<u64>() {
        Ok(number) => Value::UInt(number),
        Err(_) => Value::Decimal(source.to_owned()),
    }
}

/// Adjacent strings, decoded and joined.
fn strings(source: &str, mode: LexMode) -> Result<Vec<u8>, SqlError> {
    let bytes = source.as_bytes();
    let mut lexer = Lexer::new(bytes, mode);
    let mut out = Vec::with_capacity(source.len());
    while let Some(token) = lexer.next_token()? {
        if token.kind == TokenKind::String {
            let inside = &bytes[token.start + 1..token.end - 1];
            unescape(inside, bytes[token.start], mode.no_backslash_escapes, &mut out);
        }
    }
    Ok(out)
}

fn unescape(mut inside: &[u8], quote: u8, no_backslash_escapes: bool, out: &mut Vec<u8>) {
    while let Some((&byte, rest)) = inside.split_first() {
        inside = rest;
        if byte == quote {
            out.push(quote);
            inside = rest.strip_prefix(&[quote]).unwrap_or(rest);
        } else if byte == b'\\' && !no_backslash_escapes {
            let Some((&escaped, rest)) = rest.split_first() else { break };
            inside = rest;
            match escaped {
                b'0' => out.push(0),
                b'b' => out.push(8),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'Z' => out.push(26),
                // Kept with the backslash: they mean something to LIKE.
                b'%' | b'_' => out.extend_from_slice(&[b'\\', escaped]),
                other => out.push(other),
            }
        } else {
            out.push(byte);
        }
    }
}

/// `0x` takes an odd number of digits, `x''` does not.
fn hex(source: &str) -> Option<Vec<u8>> {
    let (digits, odd) = match source.strip_prefix("0x") {
        Some(digits) => (digits, true),
        None => (source.get(2..source.len().checked_sub(1)?)?, false),
    };
    if digits.len() % 2 == 1 && !odd {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len().div_ceil(2));
    let mut high = (digits.len() % 2 == 1).then_some(0);
    for digit in digits.bytes() {
        let value = char::from(digit).to_digit(16)? as u8;
        match high.take() {
            Some(high) => out.push(high << 4 | value),
            None => high = Some(value),
        }
    }
    Some(out)
}

/// Big-endian, filled up with zeros on the left.
fn bits(source: &str) -> Option<Vec<u8>> {
    let digits = match source.strip_prefix("0b") {
        Some(digits) => digits,
        None => source.get(2..source.len().checked_sub(1)?)?,
    };
    let mut out = vec![0u8; digits.len().div_ceil(8)];
    for (place, digit) in digits.bytes().rev().enumerate() {
        let last = out.len().checked_sub(1 + place / 8)?;
        match digit {
            b'1' => out[last] |= 1 << (place % 8),
            b'0' => {}
            _ => return None,
        }
    }
    Some(out)
}
