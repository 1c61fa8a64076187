//! The moment of a statement that writes several shards: the gate takes its clock once, and all of them get it as the session's `timestamp`.
//!
//! So `NOW()` and its like, column defaults of time and what triggers call are one moment in all rows, as on one MySQL. A session that has set
//! `timestamp` itself keeps its own. The connection's variable goes back to its default with the next statement that does not ask for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vitrail_service::call::Settings;

use crate::settings;

/// The variable that MySQL's clock functions go by.
const TIMESTAMP: &str = "timestamp";

/// Settings under which the statement has one moment, from now on.
pub(crate) fn hold(of_session: &Arc<Settings>) -> Arc<Settings> {
    at(of_session, SystemTime::now())
}

fn at(of_session: &Arc<Settings>, now: SystemTime) -> Arc<Settings> {
    if is_set(of_session) {
        return Arc::clone(of_session);
    }
    let since: Duration = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let literal = format!("{}.{:06}", since.as_secs(), since.subsec_micros());
    Arc::new(settings::with(of_session, TIMESTAMP, &literal))
}

/// Whether the session has a moment of its own. 0 is MySQL's word for none.
fn is_set(settings: &Settings) -> bool {
    let found = settings.variables.iter().find(|(name, _)| name == TIMESTAMP);
    found.is_some_and(|(_, literal)| !literal.parse::<f64>().is_ok_and(|seconds| seconds == 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_own() {
        let plain = Arc::new(Settings::default());
        let now = SystemTime::UNIX_EPOCH + Duration::new(1_790_000_000, 7_999);
        let held = at(&plain, now);
        assert_eq!(held.variables, [("timestamp".to_owned(), "1790000000.000007".to_owned())]);
        let own = Arc::new(settings::with(&plain, TIMESTAMP, "1000000000.5"));
        assert!(Arc::ptr_eq(&at(&own, now), &own));
        let none = Arc::new(settings::with(&plain, TIMESTAMP, "0"));
        assert_eq!(at(&none, now), held);
    }
}
