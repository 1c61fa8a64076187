//! Slows down whoever guesses passwords: an address that keeps failing has to pause, twice as long each time.
//!
//! Counted by address, whatever the user: who tries one password for many users fails as often. A success takes nothing back,
//! or one known password would pay for guessing others. Addresses of IPv6 count by their /64, which one host may own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The first pause.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Failures are forgotten when none was added for so long.
const MEMORY: Duration = Duration::from_secs(600);
/// Addresses that are remembered; beyond, the one with the fewest failures makes room.
const MAX_ADDRESSES: usize = 16 * 1024;

/// Failed logins by address.
pub(crate) struct Throttle {
    /// Failures without a pause; 0: there are no pauses.
    free: u32,
    known: Mutex<HashMap<Option<IpAddr>, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
    until: Instant,
}

impl Throttle {
    /// Allows `free` failures in a row; 0 allows any number.
    pub(crate) fn new(free: u32) -> Throttle {
        Throttle { free, known: Mutex::new(HashMap::new()) }
    }

    /// How long an address has to pause still. `None` in place of an address is the Unix socket.
    pub(crate) fn pause(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let known = self.known.lock();
        let until = known.get(&source(address))?.until;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// A login has failed.
    pub(crate) fn failed(&self, address: Option<IpAddr>, now: Instant) {
        if self.free == 0 {
            return;
        }
        let source = source(address);
        let mut known = self.known.lock();
        if !known.contains_key(&source) {
            make_room(&mut known, now);
        }
        let failures = known.entry(source).or_insert(Failures { count: 0, last: now, until: now });
        if failures.is_over(now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(beyond) = failures.count.checked_sub(self.free + 1) {
            let pause = PAUSE.saturating_mul(1 << beyond.min(16));
            failures.until = now + pause.min(MAX_PAUSE);
        }
    }
}

impl Failures {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= MEMORY
    }
}

fn make_room(known: &mut HashMap<Option<IpAddr>, Failures>, now: Instant) {
    if known.len() < MAX_ADDRESSES {
        return;
    }
    known.retain(|_, failures| !failures.is_over(now));
    if known.len() >= MAX_ADDRESSES
        && let Some(least) = known.iter().min_by_key(|(_, failures)| (failures.count, failures.last)).map(|(at, _)| *at)
    {
        known.remove(&least);
    }
}

fn source(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn pauses_double_and_end() {
        let throttle = Throttle::new(3);
        let (one, mut now) = (address("10.0.0.1"), Instant::now());
        for _ in 0..3 {
            throttle.failed(one, now);
            assert_eq!(throttle.pause(one, now), None);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.failed(one, now);
            assert_eq!(throttle.pause(one, now), Some(Duration::from_secs(seconds)));
            assert_eq!(throttle.pause(address("10.0.0.2"), now), None, "others may");
            now += Duration::from_secs(seconds);
            assert_eq!(throttle.pause(one, now), None);
        }
        now += MEMORY;
        throttle.failed(one, now);
        assert_eq!(throttle.pause(one, now), None, "all is forgotten");
        let open = Throttle::new(0);
        (0..100).for_each(|_| open.failed(one, now));
        assert_eq!(open.pause(one, now), None);
    }

    #[test]
    fn one_network_is_one_address() {
        let throttle = Throttle::new(1);
        let now = Instant::now();
        throttle.failed(address("2001:db8::1"), now);
        throttle.failed(address("2001:db8::2"), now);
        assert!(throttle.pause(address("2001:db8::3"), now).is_some());
        assert!(throttle.pause(address("2001:db8:0:1::3"), now).is_none());
        throttle.failed(address("::ffff:10.0.0.1"), now);
        throttle.failed(address("10.0.0.1"), now);
        assert!(throttle.pause(address("10.0.0.1"), now).is_some());
    }

    #[test]
    fn the_table_is_bounded_and_the_worst_stay() {
        let throttle = Throttle::new(1);
        let (worst, now) = (address("192.0.2.1"), Instant::now());
        (0..5).for_each(|_| throttle.failed(worst, now));
        for number in 0..(MAX_ADDRESSES as u32 + 500) {
            throttle.failed(Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes())), now);
        }
        assert_eq!(throttle.known.lock().len(), MAX_ADDRESSES);
        assert!(throttle.pause(worst, now).is_some());
    }
}
