//! The vindex `xxhash`: xxHash64 with seed 0, little-endian.

use twox_hash::XxHash64;

pub(super) fn xxhash(bytes: &[u8]) -> [u8; 8] {
    XxHash64::oneshot(0, bytes).to_le_bytes()
}
