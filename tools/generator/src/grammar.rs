//! Statements from a grammar of typed expressions.
//!
//! What is made is **determined**: one MySQL has one right answer to it. So LIMIT stands behind a total ORDER BY only, a group shows nothing
//! but its keys and aggregates, a text that is equal to others without being the same does not stand for them (or is compared by its class),
//! windows that count rows order them totally, integers cannot overflow, and nothing depends on time or chance.
//!
//! Kept out: windows within INTERSECT and EXCEPT, and these within each other: MySQL 9.7.4 crashes under some of them. ORDER BY beside
//! WITH ROLLUP: MariaDB refuses it.

mod aggregate;
mod condition;
mod from;
mod moment;
mod number;
mod rows;
mod select;
mod session;
mod set;
mod subquery;
mod text;
mod value;
mod window;
mod write;
mod written;

use vitrail_harness::Flavour;

use crate::random::Random;
use crate::schema::{Schema, Table};
use crate::tree::{Id, Tree};

pub use session::{Session, Step, What};

/// Makes statements about a schema.
#[derive(Debug)]
pub struct Grammar<'s> {
    random: Random,
    schema: &'s Schema,
    /// The name of the keyspace beside.
    beside: String,
    next: Id,
    /// CTEs of the statement under way.
    tables: Vec<from::Common>,
    /// The collation of the columns that are compared by class.
    class: Option<&'static str>,
    /// The table that the statement under way writes: MySQL does not let its subqueries read it.
    target: Option<&'s str>,
}

/// A query, with how its answer is compared.
#[derive(Debug, Clone)]
pub struct Read {
    /// The statement.
    pub tree: Tree,
    /// Which order counts.
    pub order: Ordered,
    /// The collation of columns that are compared by class.
    pub class: Option<&'static str>,
}

/// Which order of a query's rows counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// What the text says: all of it, if there is an ORDER BY.
    AsWritten,
    /// By these columns; rows that are equal there come in any order.
    By(Vec<Id>),
}

impl<'s> Grammar<'s> {
    /// Over `schema`, whose other keyspace is called `beside`.
    pub fn new(random: Random, schema: &'s Schema, beside: &str) -> Grammar<'s> {
        Grammar { random, schema, beside: beside.to_owned(), next: 0, tables: Vec::new(), class: None, target: None }
    }

    fn id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    fn table(&mut self) -> &'s Table {
        let schema: &'s Schema = self.schema;
        // Those of one family are joined, so they come most often; the empty one seldom.
        let weights: Vec<usize> = schema
            .tables
            .iter()
            .map(|table| match &*table.name {
                name if Some(name) == self.target => 0,
                "fa" | "fb" | "fc" => 6,
                "nothing" => 1,
                _ => 3,
            })
            .collect();
        &schema.tables[self.random.weighted(&weights)]
    }

    fn is_mysql(&self) -> bool {
        self.schema.flavour == Flavour::MySql
    }
}
