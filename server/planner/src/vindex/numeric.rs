//! The vindexes `numeric` and `reverse_bits`: the integer itself.

use super::Integer;

pub(super) fn numeric(value: Integer) -> [u8; 8] {
    value.bits().to_be_bytes()
}

pub(super) fn reverse_bits(value: Integer) -> [u8; 8] {
    value.bits().reverse_bits().to_be_bytes()
}
