//! Who may connect at all: bounds on connections, and on those that have not authenticated.

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;

use crate::config::Limits;
use crate::stats::Counters;

/// The door. Counts connections by state, and unauthenticated ones by address.
pub(crate) struct Admission {
    counters: Arc<Counters>,
    connections: usize,
    unauthenticated: usize,
    per_address: usize,
    /// Unauthenticated connections of each address that has any; `None` is the Unix socket.
    by_address: DashMap<Option<IpAddr>, usize>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits, counters: Arc<Counters>) -> Arc<Admission> {
        Arc::new(Admission {
            counters,
            connections: limits.connections,
            unauthenticated: limits.unauthenticated,
            per_address: limits.unauthenticated_per_address,
            by_address: DashMap::new(),
        })
    }

    /// Lets a connection in, or not. Called by the accepting tasks; bounds may be exceeded by their number.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Stranger> {
        if self.counters.connections.get() >= self.connections as u64
            || self.counters.unauthenticated.get() >= self.unauthenticated as u64
        {
            return None;
        }
        let mut known = self.by_address.entry(address).or_insert(0);
        if *known >= self.per_address {
            return None;
        }
        *known += 1;
        self.counters.connections.add(1);
        self.counters.unauthenticated.add(1);
        Some(Stranger {
            guest: Guest { admission: self.clone() },
            _strange: Strange { admission: self.clone(), address },
        })
    }
}

/// A connection that has not authenticated.
pub(crate) struct Stranger {
    guest: Guest,
    _strange: Strange,
}

impl Stranger {
    /// It has authenticated.
    pub(crate) fn welcome(self) -> Guest {
        self.guest
    }
}

/// A connection that counts until this is dropped.
pub(crate) struct Guest {
    admission: Arc<Admission>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.admission.counters.connections.subtract(1);
    }
}

/// Counts as unauthenticated until this is dropped.
struct Strange {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Drop for Strange {
    fn drop(&mut self) {
        self.admission.counters.unauthenticated.subtract(1);
        self.admission.by_address.remove_if_mut(&self.address, |_, known| {
            *known = known.saturating_sub(1);
            *known == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_refuses_and_each_leaving_makes_room() {
        let limits = Limits { connections: 3, unauthenticated: 2, unauthenticated_per_address: 1, ..Limits::default() };
        let counters = Arc::new(Counters::default());
        let door = Admission::new(&limits, counters.clone());
        let one = Some(IpAddr::from([10, 0, 0, 1]));
        let two = Some(IpAddr::from([10, 0, 0, 2]));
        let first = door.admit(one).unwrap();
        assert!(door.admit(one).is_none(), "one per address");
        let first = first.welcome();
        let second = door.admit(one).expect("the first is no stranger any more");
        let third = door.admit(two).unwrap();
        assert!(door.admit(None).is_none(), "two strangers, three connections");
        drop(first);
        assert!(door.admit(None).is_none(), "two strangers");
        drop((second, third));
        assert_eq!((counters.connections.get(), counters.unauthenticated.get()), (0, 0));
        assert!(door.by_address.is_empty(), "no address is remembered");
    }
}
