//! MySQL's length-encoded integers and strings. Reading them is where wide results spend their time: it goes into the loops that read.

/// First byte of a NULL cell.
const NULL: u8 = 0xfb;

/// Takes a length off the front; `None` if it is cut, or NULL or 0xFF where a length must be.
#[inline]
pub(super) fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => {
            *bytes = rest;
            return Some(usize::from(*first));
        }
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(rest.get(..width)?);
    *bytes = &rest[width..];
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

/// Takes a string off the front.
#[inline]
pub(super) fn take_string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    if length > bytes.len() {
        return None;
    }
    let (string, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(string)
}

/// Takes a cell off the front; the inner `None` is NULL.
#[inline]
pub(super) fn take_cell<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    if bytes.first() == Some(&NULL) {
        *bytes = &bytes[1..];
        return Some(None);
    }
    take_string(bytes).map(Some)
}

/// Appends a cell; `None` is NULL.
pub(super) fn put_cell(out: &mut Vec<u8>, cell: Option<&[u8]>) {
    match cell {
        Some(bytes) => put_lenenc(out, bytes),
        None => out.push(NULL),
    }
}

/// Appends a length-encoded string, its length in the narrowest form.
pub fn put_lenenc(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len() as u64;
    match length {
        0..0xfb => out.push(length as u8),
        0xfb..0x1_0000 => {
            out.push(0xfc);
            out.extend_from_slice(&(length as u16).to_le_bytes());
        }
        0x1_0000..0x100_0000 => {
            out.push(0xfd);
            out.extend_from_slice(&length.to_le_bytes()[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}
