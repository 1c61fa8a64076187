//! The vindex `binary_md5`; `binary` is the bytes themselves.

use md5::{Digest, Md5};

pub(super) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}
