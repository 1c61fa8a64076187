//! Primary collation weights of text, as `unicode_loose_*` hashes them: letter case and accents do not count.
//!
//! The weights are those of the Unicode Collation Algorithm 6.2 in its CLDR root order, which Vitess's library has. Characters
//! outside the proven ones are refused.

mod table;

/// The weights of `text` without its trailing spaces, or the first character that has no proven weight.
pub(super) fn weights(text: &str) -> Result<Vec<u8>, u32> {
    let text = text.trim_end_matches(' ');
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut previous = 0;
    for character in text.chars() {
        let code = u32::from(character);
        // A mark can join a Cyrillic letter to another letter's weight, and marks can reorder.
        if is_mark(code) && (is_mark(previous) || (0x400..=0x52f).contains(&previous)) {
            return Err(code);
        }
        previous = code;
        match code {
            // An ideograph's weight is made of its code point.
            0x4e00..=0x9fcc => push(&mut out, 0x1_0000 + code),
            _ => table::weights(code).ok_or(code)?.iter().for_each(|weight| push(&mut out, u32::from(*weight))),
        }
    }
    Ok(out)
}

/// Characters that some collation of MySQL takes for equal to others of another weight here (`ß` and `s`, `Ґ` and `Г`, the wide blanks).
///
/// Found by asking servers for WEIGHT_STRING of every character; `tests/collations.rs` asks again.
pub(super) fn differs_in_mysql(character: char) -> bool {
    matches!(
        u32::from(character),
        0xa0 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000
            | 0xdf | 0x131 | 0x345
            | 0x403 | 0x407 | 0x40c | 0x40e | 0x453 | 0x457 | 0x45c | 0x45e | 0x474..=0x477 | 0x490 | 0x491 | 0x4d0..=0x4f9
    )
}

fn is_mark(code: u32) -> bool {
    matches!(code, 0x300..=0x36f | 0x483..=0x489)
}

/// Two bytes up to 0x7fff, else three with the highest bit set.
fn push(out: &mut Vec<u8>, weight: u32) {
    let [_, high, middle, low] = weight.to_be_bytes();
    if weight <= 0x7fff {
        out.extend([middle, low]);
    } else {
        out.extend([high | 0x80, middle, low]);
    }
}
