//! Which tables of a statement lie on the same shard, and what pins them there.
//!
//! A *member* is one use of a sharded table. Members whose sharding columns are proved equal form a group. The proof respects
//! outer joins and subqueries: what only restricts the nullable or the inner side never restricts the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::{Pin, Pins, Source};

/// One use of a sharded table.
pub(super) type Member = usize;

/// Groups of members, and their pins.
#[derive(Debug, Default)]
pub(super) struct Placements {
    nodes: Vec<Node>,
    /// Members whose sharding columns are proved equal in part.
    ties: Vec<Tie>,
}

/// Sharding columns of two members that are proved equal.
#[derive(Debug)]
struct Tie {
    /// Only rows of the first that are beside one of the second matter; `mutual`: likewise the other way round.
    members: (Member, Member),
    mutual: bool,
    /// Which columns.
    equal: Vec<bool>,
}

#[derive(Debug)]
struct Node {
    parent: Member,
    table: Arc<str>,
    /// How many sharding columns it has.
    columns: usize,
    /// One value of each sharding column; valid at roots.
    pins: Vec<Option<Pin>>,
    /// A list of values of each; valid at roots.
    lists: Vec<Option<Pin>>,
    /// The list has a value of each of the parts that UNION joins; valid at roots.
    gathered: bool,
    /// Inside a derived table, CTE or UNION, which sees all of its rows before the rest of the statement does; valid at roots.
    sealed: bool,
}

/// Where the whole statement runs.
#[derive(Debug, PartialEq)]
pub(super) enum Spread {
    /// It names no sharded table.
    Nowhere,
    /// On the shard of these pins.
    Pinned(Vec<Pins>),
    /// On the shards of lists of values, or of values of the first sharding columns only.
    Listed(Pins),
    /// On all shards, each for its own rows.
    Everywhere,
    /// Over several shards at a time: these tables.
    Apart(Vec<Arc<str>>),
    /// In part on all shards, in a place that must see all rows: this table.
    Sealed(Arc<str>),
}

impl Placements {
    /// A new member with so many sharding columns, alone in its group.
    pub(super) fn add(&mut self, table: Arc<str>, columns: usize) -> Member {
        let member = self.nodes.len();
        let (pins, lists) = (vec![None; columns], vec![None; columns]);
        self.nodes.push(Node { parent: member, table, columns, pins, lists, gathered: false, sealed: false });
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

    /// The rows of these two are only ever used together, and in them this sharding column is equal. Once all are: one group, with the pins of
    /// both.
    pub(super) fn unite(&mut self, a: Member, b: Member, column: usize) {
        if !self.all_equal((a.min(b), a.max(b)), true, column) {
            return;
        }
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (pins, lists) = (std::mem::take(&mut self.nodes[b].pins), std::mem::take(&mut self.nodes[b].lists));
        let sealed = self.nodes[b].sealed;
        let node = &mut self.nodes[a];
        merge(&mut node.pins, pins);
        merge(&mut node.lists, lists);
        node.sealed |= sealed;
        self.nodes[b].parent = a;
    }

    /// The rows of `follower` matter only beside rows of `leader` where this sharding column is equal. Once all are: it goes where the leader
    /// goes, and what pins it says nothing about the leader.
    pub(super) fn attach(&mut self, follower: Member, leader: Member, column: usize) {
        if !self.all_equal((follower, leader), false, column) {
            return;
        }
        let (follower, leader) = (self.root(follower), self.root(leader));
        if follower != leader {
            self.nodes[follower].parent = leader;
        }
    }

    /// Notes that a column is equal, and says whether all are.
    fn all_equal(&mut self, members: (Member, Member), mutual: bool, column: usize) -> bool {
        let columns = self.nodes[members.0].columns;
        if columns == 1 {
            return true;
        }
        let known = |tie: &Tie| tie.members == members && tie.mutual == mutual;
        let index = self.ties.iter().position(known).unwrap_or_else(|| {
            self.ties.push(Tie { members, mutual, equal: vec![false; columns] });
            self.ties.len() - 1
        });
        let equal = &mut self.ties[index].equal;
        equal[column] = true;
        equal.iter().all(|equal| *equal)
    }

    /// The members from `mark` on, and those from `middle` on, give rows independently of each other, each on its own shard: together they
    /// are asked for everywhere, or where the pin of all leads. One of them may have no members. `false`, and nothing is changed: some of them depend on others.
    pub(super) fn gather(&mut self, mark: Member, middle: Member) -> bool {
        let end = self.nodes.len();
        if mark == middle || middle == end {
            // One of them has no sharded tables: it gives its rows wherever the other is asked.
            return self.only_root(mark..end).is_none_or(|root| !self.nodes[root].sealed)
                && self.roots(mark..end).len() < 2;
        }
        let (Some(left), Some(right)) = (self.only_root(mark..middle), self.only_root(middle..end)) else {
            return false;
        };
        if self.nodes[left].sealed || self.nodes[right].sealed {
            return false;
        }
        let is_each = |node: &Node| node.gathered || node.pinned().is_some();
        let gathered = is_each(&self.nodes[left]) && is_each(&self.nodes[right]);
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
                [only] => self.nodes[left].pins = vec![Some(only.clone())],
                [first, ..] if pins.iter().all(alike) => {
                    let source = Source::Several(pins.iter().map(|pin| pin.source.clone()).collect());
                    self.nodes[left].lists = vec![Some(Pin { source, ..first.clone() })];
                    self.nodes[left].gathered = gathered;
                }
                _ => {}
            }
        }
        self.nodes[right].parent = left;
        true
    }

    /// Whether the members from `mark` on, at least one, lie on the shard of one pin, and nothing looks at their rows before.
    pub(super) fn lies_on_one_shard(&self, mark: Member) -> bool {
        self.only_root(mark..self.nodes.len()).is_some_and(|root| {
            let node = &self.nodes[root];
            node.pinned().is_some() && !node.sealed
        })
    }

    fn roots(&self, members: std::ops::Range<Member>) -> BTreeSet<Member> {
        members.map(|member| self.root(member)).collect()
    }

    /// The root of all of these, if there is only one.
    fn only_root(&self, members: std::ops::Range<Member>) -> Option<Member> {
        let roots = self.roots(members);
        roots.first().copied().filter(|_| roots.len() == 1)
    }

    /// Whether the members from `mark` on, and those from `middle` on, are each pinned by several columns.
    pub(super) fn share_pins_of_several_columns(&self, mark: Member, middle: Member) -> bool {
        let pinned = |members: std::ops::Range<Member>| {
            self.only_root(members)
                .is_some_and(|root| self.nodes[root].columns > 1 && self.nodes[root].pinned().is_some())
        };
        pinned(mark..middle) && pinned(middle..self.nodes.len())
    }

    /// The values that a root with one sharding column is pinned to, each by itself. `None`: it is not, or to lists that only its statement
    /// knows.
    fn take_pins(&mut self, root: Member) -> Option<Vec<Pin>> {
        let node = &mut self.nodes[root];
        let (pins, lists) = (vec![None; node.columns], vec![None; node.columns]);
        let (pins, lists) = (std::mem::replace(&mut node.pins, pins), std::mem::replace(&mut node.lists, lists));
        let ([pin], [list]) = (<[_; 1]>::try_from(pins).ok()?, <[_; 1]>::try_from(lists).ok()?);
        match (pin, list) {
            (Some(pin), _) => Some(vec![pin]),
            (None, Some(Pin { source: Source::Several(sources), column, vindex, part, class })) => {
                let pin = |source| Pin { column: Arc::clone(&column), vindex, part, class: class.clone(), source };
                Some(sources.into_iter().map(pin).collect())
            }
            (None, _) => None,
        }
    }

    /// Only rows with this value of a sharding column matter.
    pub(super) fn pin(&mut self, member: Member, column: usize, pin: Pin) {
        let root = self.root(member);
        self.nodes[root].pins[column].get_or_insert(pin);
    }

    /// Only rows with one of these values of a sharding column matter.
    pub(super) fn list(&mut self, member: Member, column: usize, pin: Pin) {
        let root = self.root(member);
        self.nodes[root].lists[column].get_or_insert(pin);
    }

    /// Whether only rows with one value, or some, matter.
    pub(super) fn is_pinned(&self, member: Member) -> bool {
        let root = &self.nodes[self.root(member)];
        root.pinned().is_some() || root.listed().is_some()
    }

    /// The groups that members from `mark` on have led since.
    pub(super) fn seal_since(&mut self, mark: Member) {
        for member in mark..self.nodes.len() {
            self.nodes[member].sealed = true;
        }
    }

    /// The members from `mark` on, which nothing is tied to, are not read.
    pub(super) fn forget_since(&mut self, mark: Member) {
        self.nodes.truncate(mark);
        self.ties.retain(|tie| tie.members.0 < mark && tie.members.1 < mark);
    }

    /// Whether all are asked where the values of several parts of a UNION lead.
    pub(super) fn is_gathered(&self) -> bool {
        self.only_root(0..self.nodes.len()).is_some_and(|root| self.nodes[root].gathered)
    }

    /// What the whole comes to.
    pub(super) fn spread(&self) -> Spread {
        let roots: BTreeSet<Member> = (0..self.nodes.len()).map(|member| self.root(member)).collect();
        let roots: Vec<&Node> = roots.into_iter().map(|root| &self.nodes[root]).collect();
        if roots.is_empty() {
            return Spread::Nowhere;
        }
        if let Some(pins) = roots.iter().map(|root| root.pinned_at_once()).collect::<Option<Vec<Vec<Pins>>>>() {
            let mut distinct: Vec<Pins> = Vec::with_capacity(pins.len());
            for pins in pins.into_iter().flatten() {
                if !distinct.iter().any(|known| alike(known, &pins)) {
                    distinct.push(pins);
                }
            }
            return Spread::Pinned(distinct);
        }
        if let Some(root) = roots.iter().find(|root| root.sealed && root.pinned_at_once().is_none()) {
            return Spread::Sealed(Arc::clone(&root.table));
        }
        match roots.as_slice() {
            [root] => root.listed().map_or(Spread::Everywhere, Spread::Listed),
            _ => Spread::Apart(roots.iter().map(|root| Arc::clone(&root.table)).collect()),
        }
    }
}

impl Node {
    /// The values of all of its sharding columns.
    fn pinned(&self) -> Option<Pins> {
        let columns = self.pins.iter().cloned().collect::<Option<Vec<Pin>>>()?;
        Some(Pins { columns, all: true })
    }

    /// What has to lead to one shard, where all of its rows are looked at there.
    fn pinned_at_once(&self) -> Option<Vec<Pins>> {
        let parts = || self.listed().filter(|_| self.sealed && self.gathered)?.each();
        self.pinned().map(|pins| vec![pins]).or_else(parts)
    }

    /// Values, or lists of them, of its first sharding columns.
    fn listed(&self) -> Option<Pins> {
        let known = self.pins.iter().zip(&self.lists).map(|(pin, list)| pin.clone().or_else(|| list.clone()));
        let columns: Vec<Pin> = known.map_while(|pin| pin).collect();
        let all = columns.len() == self.columns;
        (!columns.is_empty()).then_some(Pins { columns, all })
    }
}

/// Whether these always lead to the same shard.
fn alike(a: &Pins, b: &Pins) -> bool {
    let same =
        |(a, b): (&Pin, &Pin)| (a.vindex, a.part, &a.source, &a.class) == (b.vindex, b.part, &b.source, &b.class);
    a.columns.len() == b.columns.len() && a.columns.iter().zip(&b.columns).all(same)
}

/// Takes over what is not known here.
fn merge(known: &mut [Option<Pin>], others: Vec<Option<Pin>>) {
    for (known, other) in known.iter_mut().zip(others) {
        *known = known.take().or(other);
    }
}
