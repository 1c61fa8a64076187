//! Bytes of loaded rows: of one statement, and of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

    /// Takes bytes for rows of a table.
    ///
    /// # Errors
    /// `too_large` above the statement's own bound, `exhausted` above that of all; both name the table.
    pub(super) fn take(&mut self, bytes: u64, table: &str) -> Result<(), ErrorBody> {
        let ScratchLimits { statement_bytes, total_bytes, .. } = self.limits;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_bounded_for_each_and_for_all() {
        let total = Arc::default();
        let limits = ScratchLimits { statement_bytes: 100, total_bytes: 150, ..ScratchLimits::default() };
        let mut first = Budget::new(&total, limits);
        assert!(first.take(60, "a").is_ok() && first.take(40, "b").is_ok());
        let error = first.take(1, "c").expect_err("one byte too many");
        assert_eq!(error.code, Code::TooLarge);
        assert!(error.message.contains("`c`"), "{}", error.message);
        let mut second = Budget::new(&total, limits);
        assert!(second.take(50, "d").is_ok());
        let error = second.take(1, "e").expect_err("too many for all");
        assert_eq!(error.code, Code::Exhausted);
        assert!(error.message.contains("`e`"), "{}", error.message);
        // What ends gives back all that it took.
        drop((first, second));
        assert!(Budget::new(&total, limits).take(100, "f").is_ok());
        assert_eq!(total.0.load(Ordering::Relaxed), 0);
    }
}
