//! Bytes of loaded rows: of one statement, and of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vitrail_planner::plan::Fragment;
use vitrail_proto::error::{Code, ErrorBody};

use super::ScratchLimits;

/// What all statements under way have loaded.
#[derive(Debug, Default)]
pub(super) struct Total(AtomicU64);

/// What one statement has loaded; given back when dropped.
pub(super) struct Budget {
    total: Arc<Total>,
    used: u64,
    limits: ScratchLimits,
}

impl Budget {
    pub(super) fn new(total: &Arc<Total>, limits: ScratchLimits) -> Budget {
        Budget { total: Arc::clone(total), used: 0, limits }
    }

    /// Takes bytes for rows of a fragment.
    ///
    /// # Errors
    /// `too_large` above the statement's own bound, `exhausted` above that of all; both name the fragment.
    pub(super) fn take(&mut self, bytes: u64, fragment: &Fragment) -> Result<(), ErrorBody> {
        let ScratchLimits { statement_bytes, total_bytes, .. } = self.limits;
        let table = &fragment.table;
        if self.used + bytes > statement_bytes {
            let message = format!(
                "this statement needs rows of several shards at one place, and those of `{table}` bring them above {} MiB \
                 (scratch.statement_bytes); add conditions on `{table}` that compare its columns with values, or join it by its sharding column",
                statement_bytes >> 20
            );
            return Err(ErrorBody::new(Code::TooLarge, message));
        }
        let before = self.total.0.fetch_add(bytes, Ordering::Relaxed);
        self.used += bytes;
        if before + bytes > total_bytes {
            let message = format!(
                "statements that run on the scratch server hold {} MiB of rows (scratch.total_bytes), and those of `{table}` would be more; try \
                 again when fewer of them run",
                total_bytes >> 20
            );
            return Err(ErrorBody::new(Code::Exhausted, message));
        }
        Ok(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.used, Ordering::Relaxed);
    }
}
