//! What is known of statements that come again and again: that the guard lets them pass, where their binds stand, and how long they take.
//!
//! Applications have few texts and many values, so a statement is mostly one that came a moment ago. Whoever finds its text here need
//! not read it.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::SessionValues;
use vitrail_sql::bind::Template;
use vitrail_sql::lexer::LexMode;

use crate::guard::{self, Passed, Place};
use crate::pace::Pace;

/// Texts that are kept at most.
const KEPT: usize = 512;
/// Longer texts are not kept, bytes: they hold values, and do not come again.
const LONGEST: usize = 4096;

/// A text that the guard has let pass.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) passed: Passed,
    pub(crate) template: Template,
    /// How long it takes; known only of texts that come again.
    pub(crate) pace: Pace,
    /// Where it may run so.
    place: Place,
}

/// The readings of texts that came lately. A place of the table has the last one whose hash led there.
pub(crate) struct Readings {
    hasher: RandomState,
    table: Box<[Mutex<Option<Arc<Reading>>>]>,
}

impl Default for Readings {
    fn default() -> Readings {
        Readings { hasher: RandomState::default(), table: (0..KEPT).map(|_| Mutex::default()).collect() }
    }
}

impl Readings {
    /// Reads a statement, which sees `values` of its session.
    ///
    /// # Errors
    /// As [`guard::check`].
    pub(crate) fn read(
        &self,
        sql: &Arc<str>,
        place: Place,
        mode: LexMode,
        values: Option<&SessionValues>,
    ) -> Result<Arc<Reading>, ErrorBody> {
        // What passes with the values of a session may not pass without.
        if values.is_some() || sql.len() > LONGEST {
            return Reading::new(sql, place, mode, values);
        }
        let slot = &self.table[self.hasher.hash_one(&**sql) as usize % KEPT];
        if let Some(known) = &*slot.lock()
            && known.is_of(sql, place, mode)
        {
            return Ok(Arc::clone(known));
        }
        let reading = Reading::new(sql, place, mode, None)?;
        *slot.lock() = Some(Arc::clone(&reading));
        Ok(reading)
    }
}

impl Reading {
    fn new(
        sql: &Arc<str>,
        place: Place,
        mode: LexMode,
        values: Option<&SessionValues>,
    ) -> Result<Arc<Reading>, ErrorBody> {
        let passed = guard::check(sql, place, mode, values)?;
        let template = Template::read(Arc::clone(sql), mode)?;
        Ok(Arc::new(Reading { passed, template, pace: Pace::default(), place }))
    }

    fn is_of(&self, sql: &str, place: Place, mode: LexMode) -> bool {
        self.place == place && self.template.mode() == mode && **self.template.sql() == *sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_for_each_way_to_read_it() {
        let readings = Readings::default();
        let sql: Arc<str> = "SELECT \":a\", :b".into();
        let read = |place, mode| readings.read(&sql, place, mode, None);
        let plain = LexMode::default();
        let first = read(Place::Shared, plain).unwrap();
        assert!(Arc::ptr_eq(&first, &read(Place::Shared, plain).unwrap()));
        let other = LexMode { ansi_quotes: true, ..plain };
        assert!(!Arc::ptr_eq(&first, &read(Place::Shared, other).unwrap()));

        let locks: Arc<str> = "SELECT GET_LOCK('a', 1)".into();
        assert!(readings.read(&locks, Place::Reserved, plain, None).is_ok());
        assert!(readings.read(&locks, Place::Shared, plain, None).is_err(), "it passed elsewhere, and not here");
    }

    #[test]
    fn what_passes_with_values_does_not_pass_without() {
        let readings = Readings::default();
        let sql: Arc<str> = "SELECT @a".into();
        let values = SessionValues { user_variables: vec![("a".into(), "1".into())], ..SessionValues::default() };
        assert!(readings.read(&sql, Place::Shared, LexMode::default(), Some(&values)).is_ok());
        assert!(readings.read(&sql, Place::Shared, LexMode::default(), None).is_err());
    }
}
