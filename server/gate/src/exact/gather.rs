//! The rows that a statement needs, from the shards to the scratch server.
//!
//! Two lines of work run side by side: the shards are read, one fragment after the other, and the scratch server makes the tables and takes the
//! rows.

use std::sync::Arc;

use vitrail_listener::responder::Responder;
use vitrail_planner::plan::{Exact, Fragment, Node, Resolved};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::Ran;
use vitrail_proto::value::Value;

use super::Scratch;
use super::budget::Budget;
use super::definition::Body;
use super::feed::{Feed, Step};
use super::load::{Loaded, Loader, names};
use super::order::{Next, Order};
use super::run::Exacting;
use super::seen::Seen;
use super::server::Connection;
use crate::answer::Answer;
use crate::calling::Calling;
use crate::cluster::Keyspace;
use crate::reading::take;
use crate::route::Limits;
use crate::session::Session;
use crate::{facts, failure, route};

/// The fragments of a statement, to be loaded.
pub(super) struct Gathering<'a> {
    pub(super) exacting: &'a Exacting<'a>,
    pub(super) scratch: &'a Scratch,
    pub(super) exact: &'a Exact,
    /// How shards are read.
    pub(super) reading: &'a Calling<'a>,
    /// The first fragment is a table that is written.
    pub(super) written: bool,
}

impl Gathering<'_> {
    /// Loads all fragments. Gives how their reads ran.
    pub(super) async fn run(
        &self,
        session: &mut Session,
        connection: &mut Connection<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Ran>, ErrorBody> {
        let fragments = self.exact.fragments();
        let bodies = self.bodies().await?;
        let (feed, steps) = Feed::new();
        let of = |(number, (fragment, body)): (usize, (&Fragment, &Arc<Body>))| match self.written && number == 0 {
            true => body.whole(),
            false => body.text(&fragment.columns),
        };
        let texts = fragments.iter().zip(&bodies).enumerate().map(of);
        let read = async {
            // Closed at its end.
            let feed = feed;
            self.read_all(session, &bodies, &feed, budget).await
        };
        let (fed, read) = tokio::join!(steps.run(connection, fragments, texts), read);
        // What failed there has ended the reads.
        fed.and(read)
    }

    /// What each fragment's table is made of.
    async fn bodies(&self) -> Result<Vec<Arc<Body>>, ErrorBody> {
        let view = &self.exacting.scope.view;
        let fragments = self.exact.fragments();
        let mut bodies = Vec::with_capacity(fragments.len());
        for fragment in fragments {
            let keyspace = view.cluster.keyspace(&fragment.keyspace)?;
            let definitions = &self.scratch.definitions;
            bodies.push(definitions.body(keyspace, &fragment.table, view.version, self.reading).await?);
        }
        Ok(bodies)
    }

    async fn read_all(
        &self,
        session: &mut Session,
        bodies: &[Arc<Body>],
        feed: &Feed,
        budget: &mut Budget,
    ) -> Result<Option<Ran>, ErrorBody> {
        let fragments = self.exact.fragments();
        let mut order = Order::new(self.exact);
        let mut seen: Vec<Seen> = fragments.iter().map(|_| Seen::default()).collect();
        let mut ran = None;
        while let Some(next) = order.next(fragments) {
            let (number, reduced) = match next {
                Next::Whole(number) | Next::Copy { fragment: number, .. } => (number, None),
                Next::Reduced { fragment, reduction } => {
                    match values(&fragments[fragment], reduction, fragments, &seen)? {
                        None => {
                            order.useless(fragment, reduction);
                            continue;
                        }
                        Some(values) => (fragment, Some((reduction, values))),
                    }
                }
            };
            let fragment = &fragments[number];
            if let Some(measure) = &self.reading.measure {
                measure.enter(Node::Shards(Some(number)));
            }
            let loaded = match next {
                Next::Copy { of, .. } => {
                    let (names, from) = (names(fragment), fragments[of].qualified());
                    let sql = format!("INSERT INTO {} ({names}) SELECT {names} FROM {from}", fragment.qualified());
                    feed.send(Step { fragment: number, sql }).await?;
                    order.of(of)
                }
                Next::Whole(_) if fragment.begins_empty() => Loaded::default(),
                // Nothing is needed of it, and of those that are read by its values.
                _ if reduced.as_ref().is_some_and(|(_, values)| values.is_empty()) => {
                    seen[number] = Seen::of(number, fragments);
                    Loaded::default()
                }
                _ => {
                    let keyspace = self.exacting.scope.view.cluster.keyspace(&fragment.keyspace)?;
                    let resolved = self.exact.read(number, reduced, self.exacting.binds, &keyspace.layout)?;
                    let mut loader = Loader::new(number, fragments, &bodies[number], feed, budget);
                    let end = self.read(session, keyspace, &resolved, &mut loader).await?;
                    facts::and_then(&mut ran, end.as_ref());
                    let (loaded, of_fragment) = loader.finish().await?;
                    seen[number] = of_fragment;
                    loaded
                }
            };
            if let Some(measure) = &self.reading.measure {
                measure.loaded(number, loaded.rows, loaded.bytes);
            }
            order.loaded(number, loaded);
        }
        Ok(ran)
    }

    /// Reads rows of a fragment. Gives how that ran.
    async fn read(
        &self,
        session: &mut Session,
        keyspace: &Keyspace,
        resolved: &Resolved,
        loader: &mut Loader<'_>,
    ) -> Result<Option<Ran>, ErrorBody> {
        let limits = Limits { max_rows: None, ..self.exacting.scope.limits };
        let (mut responder, replies) = Responder::channel(1);
        let run = async move {
            let mut answer = Answer::new(&mut responder, None, true);
            let end = Box::pin(route::run(session, keyspace, resolved, limits, self.reading, &mut answer)).await?;
            Ok(answer.finish(end))
        };
        let end = take(run, replies, loader).await?;
        if end.capped.is_some() {
            return Err(failure::unsupported(
                "a tablet's limit of rows has cut what a statement over several shards has to read; add conditions, or raise the limit",
            ));
        }
        Ok(end.ran)
    }
}

/// The values by which a fragment is read; `None`: they cannot be asked for.
fn values(
    fragment: &Fragment,
    reduction: usize,
    fragments: &[Fragment],
    seen: &[Seen],
) -> Result<Option<Vec<Value>>, ErrorBody> {
    let reduction = fragment.reductions().nth(reduction);
    let reduction = reduction.ok_or_else(|| failure::internal("a reduction that is not there"))?;
    let from = fragments[reduction.source].copy_of().unwrap_or(reduction.source);
    seen[from].values(&reduction.column)
}
