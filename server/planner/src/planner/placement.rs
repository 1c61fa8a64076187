//! Which tables of a statement lie on the same shard, and what pins them there.
//!
//! A *member* is one use of a sharded table. Members whose sharding columns are proved equal form a group. The proof respects
//! outer joins and subqueries: what only restricts the nullable or the inner side never restricts the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::Pin;

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
