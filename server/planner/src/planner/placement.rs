//! Which tables of a statement lie on the same shard, and what pins them there.
//!
//! A *member* is one use of a sharded table. Members whose sharding columns are proved equal form a group. The proof respects
//! outer joins and subqueries: what only restricts the nullable or the inner side never restricts the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::{Pin, Source};

/// One use of a sharded table.
pub(super) type Member = usize;

/// Groups of members, and their pins.
#[derive(Debug, Default)]
pub(super) struct Placements {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    parent: Member,
    table: Arc<str>,
    /// One value; valid at roots.
    pin: Option<Pin>,
    /// A list of values; valid at roots.
    list: Option<Pin>,
    /// Inside a derived table, CTE or UNION, which sees all of its rows before the rest of the statement does; valid at roots.
    sealed: bool,
}

/// Where the whole statement runs.
#[derive(Debug, PartialEq)]
pub(super) enum Spread {
    /// It names no sharded table.
    Nowhere,
    /// On the shard of these pins.
    Pinned(Vec<Pin>),
    /// On the shards of a list of values.
    Listed(Pin),
    /// On all shards, each for its own rows.
    Everywhere,
    /// Over several shards at a time: these tables.
    Apart(Vec<Arc<str>>),
    /// In part on all shards, in a place that must see all rows: this table.
    Sealed(Arc<str>),
}

impl Placements {
    /// A new member, alone in its group.
    pub(super) fn add(&mut self, table: Arc<str>) -> Member {
        let member = self.nodes.len();
        self.nodes.push(Node { parent: member, table, pin: None, list: None, sealed: false });
        member
    }

    /// How many members there are; those added later have higher numbers.
    pub(super) fn mark(&self) -> Member {
        self.nodes.len()
    }

    /// The group of a member.
    pub(super) fn root(&self, mut member: Member) -> Member {
        while self.nodes[member].parent != member {
            member = self.nodes[member].parent;
        }
        member
    }

    /// The rows of these two are only ever used together, and their columns are equal: one group, with the pins of both.
    pub(super) fn unite(&mut self, a: Member, b: Member) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (pin, list, sealed) = (self.nodes[b].pin.take(), self.nodes[b].list.take(), self.nodes[b].sealed);
        let node = &mut self.nodes[a];
        node.pin = node.pin.take().or(pin);
        node.list = node.list.take().or(list);
        node.sealed |= sealed;
        self.nodes[b].parent = a;
    }

    /// The rows of `follower` matter only beside rows of `leader` with an equal column: it goes where the leader goes, and what
    /// pins it says nothing about the leader.
    pub(super) fn attach(&mut self, follower: Member, leader: Member) {
        let (follower, leader) = (self.root(follower), self.root(leader));
        if follower != leader {
            self.nodes[follower].parent = leader;
        }
    }

    /// The members from `mark` on, and those from `middle` on, give rows independently of each other, each on its own shard: together they
    /// are asked for everywhere, or where the pin of all leads. `false`, and nothing is changed: some of them depend on others.
    pub(super) fn gather(&mut self, mark: Member, middle: Member) -> bool {
        let roots = |placements: &Placements, range: std::ops::Range<Member>| {
            let roots: BTreeSet<Member> = range.map(|member| placements.root(member)).collect();
            <[Member; 1]>::try_from(roots.into_iter().collect::<Vec<_>>()).ok().map(|[root]| root)
        };
        let (Some(left), Some(right)) = (roots(self, mark..middle), roots(self, middle..self.nodes.len())) else {
            return false;
        };
        if self.nodes[left].sealed || self.nodes[right].sealed {
            return false;
        }
        let (left_pins, right_pins) = (self.take_pins(left), self.take_pins(right));
        if let (Some(left_pins), Some(right_pins)) = (left_pins, right_pins) {
            let mut pins = left_pins;
            for pin in right_pins {
                if !pins.iter().any(|known| known.source == pin.source) {
                    pins.push(pin);
                }
            }
            let alike = |pin: &Pin| (pin.vindex, &pin.class) == (pins[0].vindex, &pins[0].class);
            match pins.as_slice() {
                [only] => self.nodes[left].pin = Some(only.clone()),
                [first, ..] if pins.iter().all(alike) => {
                    let source = Source::Several(pins.iter().map(|pin| pin.source.clone()).collect());
                    self.nodes[left].list = Some(Pin { source, ..first.clone() });
                }
                _ => {}
            }
        }
        self.nodes[right].parent = left;
        true
    }

    /// The values that a root is pinned to, each by itself. `None`: it is not, or to lists that only its statement knows.
    fn take_pins(&mut self, root: Member) -> Option<Vec<Pin>> {
        let (pin, list) = (self.nodes[root].pin.take(), self.nodes[root].list.take());
        match (pin, list) {
            (Some(pin), _) => Some(vec![pin]),
            (None, Some(Pin { source: Source::Several(sources), column, vindex, class })) => {
                let pin = |source| Pin { column: Arc::clone(&column), vindex, class: class.clone(), source };
                Some(sources.into_iter().map(pin).collect())
            }
            (None, _) => None,
        }
    }

    /// Only rows with this value matter.
    pub(super) fn pin(&mut self, member: Member, pin: Pin) {
        let root = self.root(member);
        self.nodes[root].pin.get_or_insert(pin);
    }

    /// Only rows with one of these values matter.
    pub(super) fn list(&mut self, member: Member, pin: Pin) {
        let root = self.root(member);
        self.nodes[root].list.get_or_insert(pin);
    }

    /// The groups that members from `mark` on have led since.
    pub(super) fn seal_since(&mut self, mark: Member) {
        for member in mark..self.nodes.len() {
            self.nodes[member].sealed = true;
        }
    }

    /// What the whole comes to.
    pub(super) fn spread(&self) -> Spread {
        let roots: BTreeSet<Member> = (0..self.nodes.len()).map(|member| self.root(member)).collect();
        let roots: Vec<&Node> = roots.into_iter().map(|root| &self.nodes[root]).collect();
        if roots.is_empty() {
            return Spread::Nowhere;
        }
        if let Some(pins) = roots.iter().map(|root| root.pin.clone()).collect::<Option<Vec<Pin>>>() {
            let mut distinct: Vec<Pin> = Vec::with_capacity(pins.len());
            for pin in pins {
                let same =
                    |known: &Pin| (known.vindex, &known.source, &known.class) == (pin.vindex, &pin.source, &pin.class);
                if !distinct.iter().any(same) {
                    distinct.push(pin);
                }
            }
            return Spread::Pinned(distinct);
        }
        if let Some(root) = roots.iter().find(|root| root.sealed && root.pin.is_none()) {
            return Spread::Sealed(Arc::clone(&root.table));
        }
        match roots.as_slice() {
            [root] => root.list.clone().map_or(Spread::Everywhere, Spread::Listed),
            _ => Spread::Apart(roots.iter().map(|root| Arc::clone(&root.table)).collect()),
        }
    }
}
