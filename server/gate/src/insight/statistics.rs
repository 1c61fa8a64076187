//! Figures by fingerprint: bounded, under locks of their own, and never less than the truth as a whole.
//!
//! What is used least makes room, and its figures go into one entry for all that had none. So the sum over all entries is the sum
//! over all statements since the last reset. Beside them, totals by kind and tier that no reset touches.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use vitrail_sql::control::queries::QueryOrder;
use vitrail_sql::normalise::StatementKind;

use super::figures::{Entry, QueryFigures, Run};
use super::totals::Totals;

/// Parts that are locked apart.
const PARTS: usize = 16;

/// Text of the entry for those without room.
const OTHERS: &str = "(others)";

/// All figures.
pub(crate) struct Statistics {
    parts: Vec<Mutex<Part>>,
    /// Most entries of a part; 0: none are kept.
    room: usize,
}

#[derive(Default)]
struct Part {
    /// By [`key`]. Two fingerprints with the same key would push each other into the others.
    entries: HashMap<u64, (u64, Box<Entry>), RandomState>,
    others: Option<Box<Entry>>,
    /// Since heat was last halved.
    evictions: usize,
    totals: Totals,
}

impl Statistics {
    /// Room for about `entries` fingerprints; 0: only totals.
    pub(crate) fn new(entries: usize) -> Statistics {
        Statistics { parts: (0..PARTS).map(|_| Mutex::default()).collect(), room: entries.div_ceil(PARTS) }
    }

    /// Counts a run. `text` is asked for the statement without its literals when the fingerprint is new.
    pub(crate) fn count(&self, run: &Run<'_>, text: impl FnOnce() -> String) {
        let key = key(run.fingerprint, run.keyspace);
        let mut part = self.parts[(key >> 32) as usize % PARTS].lock();
        part.totals.add(run);
        if self.room == 0 {
            return;
        }
        if let Some((fingerprint, entry)) = part.entries.get_mut(&key)
            && *fingerprint == run.fingerprint
            && *entry.keyspace == *run.keyspace
        {
            return entry.add(run);
        }
        drop(part);
        // Made without the lock: this is the slow way.
        let mut entry = Box::new(Entry::new(text(), run));
        let mut part = self.parts[(key >> 32) as usize % PARTS].lock();
        part.make_room(self.room, key);
        match part.entries.get_mut(&key) {
            // Another request was here meanwhile.
            Some((fingerprint, known)) if *fingerprint == run.fingerprint && *known.keyspace == *run.keyspace => {
                known.add(run);
            }
            _ => {
                entry.add(run);
                if let Some((_, old)) = part.entries.insert(key, (run.fingerprint, entry)) {
                    part.fold(&old);
                }
            }
        }
    }

    /// What `like` accepts, highest first by `order` (or lowest first), at most `limit` of them. The others without room come last.
    pub(crate) fn figures(
        &self,
        order: QueryOrder,
        descending: bool,
        limit: usize,
        like: impl Fn(&QueryFigures) -> bool,
    ) -> Vec<QueryFigures> {
        let mut all = Vec::new();
        let mut others: Option<Box<Entry>> = None;
        for part in &self.parts {
            let part = part.lock();
            all.extend(part.entries.values().map(|(fingerprint, entry)| entry.figures(Some(*fingerprint))));
            if let Some(more) = &part.others {
                others.get_or_insert_with(|| Box::new(nobody(more))).merge(more);
            }
        }
        all.retain(&like);
        all.sort_by_key(|figures| (figures.rank(order), std::cmp::Reverse(figures.fingerprint)));
        if descending {
            all.reverse();
        }
        all.extend(others.map(|others| others.figures(None)).filter(&like));
        all.truncate(limit);
        all
    }

    /// Forgets all entries; totals go on.
    pub(crate) fn reset(&self) {
        for part in &self.parts {
            let mut part = part.lock();
            part.entries = HashMap::default();
            part.others = None;
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().entries.len()).sum()
    }

    /// The totals of all statements.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for part in &self.parts {
            totals.merge(&part.lock().totals);
        }
        totals
    }
}

impl Part {
    /// Evicts the entry of least heat if there is no room for `key`.
    fn make_room(&mut self, room: usize, key: u64) {
        if self.entries.len() < room || self.entries.contains_key(&key) {
            return;
        }
        let coldest = self.entries.iter().min_by_key(|(_, (_, entry))| entry.heat).map(|(key, _)| *key);
        if let Some((_, entry)) = coldest.and_then(|key| self.entries.remove(&key)) {
            self.fold(&entry);
        }
        self.evictions += 1;
        if self.evictions >= room {
            self.evictions = 0;
            for (_, entry) in self.entries.values_mut() {
                entry.heat /= 2;
            }
        }
    }

    fn fold(&mut self, entry: &Entry) {
        self.others.get_or_insert_with(|| Box::new(nobody(entry))).merge(entry);
    }
}

/// An entry without a name and without runs, as old as `entry`.
fn nobody(entry: &Entry) -> Entry {
    let seen = entry.figures(None).first_seen;
    let run = Run {
        fingerprint: 0,
        keyspace: "",
        kind: StatementKind::Other,
        tier: super::Tier::None,
        took_us: 0,
        rows: 0,
        bytes: 0,
        affected: 0,
        shards: 0,
        ran: None,
        advice: None,
        error: None,
        ended: seen,
    };
    Entry::new(OTHERS.to_owned(), &run)
}

/// Mixes the keyspace into a fingerprint.
fn key(fingerprint: u64, keyspace: &str) -> u64 {
    let mixed =
        keyspace.bytes().fold(fingerprint, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mixed ^ (mixed << 29)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use vitrail_proto::error::Code;
    use vitrail_proto::message::Ran;

    use super::super::Tier;
    use super::*;

    fn run(fingerprint: u64, took_us: u64) -> Run<'static> {
        Run {
            fingerprint,
            keyspace: "shop",
            kind: StatementKind::Select,
            tier: Tier::Single,
            took_us,
            rows: 2,
            bytes: 30,
            affected: 0,
            shards: 1,
            ran: None,
            advice: None,
            error: None,
            ended: SystemTime::UNIX_EPOCH + Duration::from_secs(fingerprint % 1000),
        }
    }

    fn all(statistics: &Statistics, order: QueryOrder) -> Vec<QueryFigures> {
        statistics.figures(order, true, usize::MAX, |_| true)
    }

    #[test]
    fn runs_add_up() {
        let statistics = Statistics::new(100);
        let ran = Ran { shards: 2, wait_us: 5, mysql_us: 70, shared: true, ..Ran::default() };
        statistics.count(&Run { ran: Some(&ran), tier: Tier::Scatter, ..run(1, 100) }, || "SELECT ?".into());
        let failed = Run { error: Some(&Code::Deadline), rows: 0, bytes: 0, shards: 2, ..run(1, 300) };
        statistics.count(&failed, || unreachable!("it is known"));
        statistics.count(&Run { keyspace: "other", ..run(1, 10) }, || "SELECT ?".into());
        let found = all(&statistics, QueryOrder::Total);
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!((first.fingerprint, &*first.keyspace, &*first.text), (Some(1), "shop", "SELECT ?"));
        assert_eq!((first.kind, first.plan), ("select", "single"));
        assert_eq!((first.calls, first.errors, first.rows, first.bytes), (2, 1, 2, 30));
        assert_eq!((first.total_us, first.max_us, first.mean_us()), (400, 300, 200));
        assert_eq!((first.wait_us, first.mysql_us, first.shards, first.most_shards, first.shared), (5, 70, 4, 2, 1));
        assert_eq!(first.error_codes, [(Code::Deadline, 1)]);
        assert!(first.p50_us.abs_diff(100) <= 4 && first.p99_us.abs_diff(300) <= 10, "{first:?}");
        assert_eq!(all(&statistics, QueryOrder::P99)[0], *first);
        assert_eq!(statistics.figures(QueryOrder::Calls, false, 1, |_| true)[0].calls, 1);
        statistics.reset();
        assert!(all(&statistics, QueryOrder::Calls).is_empty());
        assert_eq!(statistics.totals().statements(), 3);
    }

    #[test]
    fn room_is_bounded_hot_ones_stay_and_sums_are_true() {
        let statistics = Statistics::new(64);
        let mut seed = 1u64;
        for number in 0..20_000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let rare = (seed >> 20) | 1 << 63;
            statistics.count(&run(rare, 1), || "rare".into());
            statistics.count(&run(7, 1), || format!("hot {number}"));
        }
        let found = all(&statistics, QueryOrder::Calls);
        assert!(statistics.len() <= 64, "{}", statistics.len());
        assert_eq!((found[0].fingerprint, found[0].calls, &*found[0].text), (Some(7), 20_000, "hot 0"));
        let last = found.last().unwrap();
        assert_eq!((last.fingerprint, &*last.text), (None, OTHERS));
        assert_eq!(found.iter().map(|figures| figures.calls).sum::<u64>(), 40_000);
        assert_eq!(found.iter().map(|figures| figures.total_us).sum::<u64>(), 40_000);
        assert_eq!(found.iter().map(|figures| figures.rows).sum::<u64>(), 80_000);
    }

    #[test]
    fn what_was_hot_long_ago_makes_room() {
        let statistics = Statistics::new(PARTS);
        let part = |fingerprint| (key(fingerprint, "shop") >> 32) as usize % PARTS;
        for _ in 0..1000 {
            statistics.count(&run(1, 1), String::new);
        }
        for fingerprint in (2..100_000).filter(|fingerprint| part(*fingerprint) == part(1)).take(100) {
            statistics.count(&run(fingerprint, 1), String::new);
        }
        assert!(!all(&statistics, QueryOrder::Calls).iter().any(|figures| figures.fingerprint == Some(1)));
    }

    #[test]
    fn without_room_there_are_totals() {
        let statistics = Statistics::new(0);
        statistics.count(&run(1, 1), || unreachable!("no entry is made"));
        assert_eq!((statistics.len(), statistics.totals().statements()), (0, 1));
    }

    #[test]
    #[ignore = "measures: cargo test --release -p vitrail-gate --lib -- --ignored --nocapture cost_of"]
    fn cost_of_a_known_fingerprint() {
        let statistics = Statistics::new(2000);
        let ran = Ran { shards: 1, wait_us: 5, mysql_us: 70, ..Ran::default() };
        let rounds = 1_000_000;
        for threads in [1, 2] {
            let began = tokio::time::Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for number in 0..rounds {
                            let run =
                                Run { ran: Some(&ran), ended: SystemTime::now(), ..run(number % 500, number % 5000) };
                            statistics.count(&run, || "SELECT ?".into());
                        }
                    });
                }
            });
            println!("{threads} threads: {} ns each", began.elapsed().as_nanos() / u128::from(rounds));
        }
        let text = "SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 42 AND o.state IN ('a', 'b')";
        let text: std::sync::Arc<str> = text.into();
        let began = tokio::time::Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(vitrail_sql::normalise(text.clone(), vitrail_sql::LexMode::default())).unwrap();
        }
        println!("normalise: {} ns each", began.elapsed().as_nanos() / u128::from(rounds));
    }
}
