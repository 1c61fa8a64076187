//! The generator: schemas, rows and statements by chance, run on one MySQL and through Vitrail over 1, 2 and 4 shards.
//!
//! A seed stands for a row of worlds. Each has a [`schema`], rows ([`data`]), and sessions of statements from a [`grammar`]. A [`world`] runs
//! them and compares by the rules of `vitrail-differential`; what goes wrong is made small by [`shrink`], and written out as a suite
//! that can be put into `testdata/sql/generated`.

pub mod data;
pub mod grammar;
pub mod random;
pub mod report;
pub mod run;
pub mod schema;
pub mod scope;
pub mod script;
pub mod shrink;
pub mod tree;
mod twin;
pub mod verdict;
pub mod world;

pub use run::{Options, run};
