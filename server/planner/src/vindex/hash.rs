//! The vindex `hash`: triple DES under a zero key over the big-endian integer.

use std::sync::LazyLock;

use des::Des;
use des::cipher::{BlockEncrypt, KeyInit};

use super::Integer;

/// With three equal keys, triple DES (encrypt, decrypt, encrypt) is one DES encryption.
static ZERO_KEY: LazyLock<Des> = LazyLock::new(|| Des::new(&[0; 8].into()));

pub(super) fn hash(value: Integer) -> [u8; 8] {
    let mut block = value.bits().to_be_bytes().into();
    ZERO_KEY.encrypt_block(&mut block);
    block.into()
}
