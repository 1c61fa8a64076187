//! What a session does: statements, transactions, settings, in an order by chance that is the same for every server.

use super::write::Write;
use super::{Grammar, Read};
use crate::random::Random;
use crate::schema::Schema;

/// One thing that a session does.
#[derive(Debug, Clone)]
pub struct Step {
    /// It is the second session, which looks at what the first has committed.
    pub second: bool,
    /// What.
    pub what: What,
}

/// What a session does.
#[derive(Debug, Clone)]
pub enum What {
    /// Reads.
    Read(Read),
    /// Writes.
    Write(Write),
    /// Begins or ends a transaction, or sets a variable.
    Control(String),
}

impl Step {
    /// The statement.
    pub fn sql(&self) -> String {
        match &self.what {
            What::Read(read) => read.tree.sql(),
            What::Write(write) => write.tree.sql(),
            What::Control(sql) => sql.clone(),
        }
    }
}

/// Makes the steps of a session.
#[derive(Debug)]
pub struct Session<'s> {
    grammar: Grammar<'s>,
    random: Random,
    /// A transaction is open, or one opens with each statement.
    open: bool,
    /// `autocommit` is off.
    manual: bool,
    savepoint: bool,
    /// Steps that stand for themselves and come before what chance brings.
    next: Vec<String>,
}

/// The modes that sessions set. MySQL warns of those about zero dates without a strict one, and the other way round.
const MODES: [&str; 5] = [
    "SET sql_mode = DEFAULT",
    "SET sql_mode = ''",
    "SET sql_mode = 'NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
    "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,PIPES_AS_CONCAT,ANSI_QUOTES'",
    "SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_UNSIGNED_SUBTRACTION'",
];

impl<'s> Session<'s> {
    /// A session over `schema`; the other keyspace is called `beside`. So many of a hundred steps write.
    pub fn new(random: &Random, schema: &'s Schema, beside: &str) -> Session<'s> {
        let grammar = Grammar::new(random.part(1), schema, beside);
        Session { grammar, random: random.part(2), open: false, manual: false, savepoint: false, next: Vec::new() }
    }

    /// What comes next; `writes` of a hundred steps write.
    pub fn step(&mut self, writes: usize) -> Step {
        let mut second = false;
        let what = match self.next.pop() {
            Some(sql) => What::Control(sql),
            None if self.random.chance(writes) => What::Write(self.grammar.write()),
            None if self.random.chance(9) => What::Control(self.control()),
            None => {
                second = self.open && self.random.chance(12);
                // It would wait for the first session.
                What::Read(self.grammar.read(!second))
            }
        };
        Step { second, what }
    }

    /// What ends everything that is open.
    pub fn end(&mut self) -> Vec<Step> {
        let step = |sql: &str| Step { second: false, what: What::Control(sql.to_owned()) };
        let last = if self.random.chance(50) { "COMMIT" } else { "ROLLBACK" };
        vec![step(last), step("SET autocommit = 1")]
    }

    fn control(&mut self) -> String {
        if self.open {
            return self.within();
        }
        match self.random.weighted(&[10, 2, 4, 2, 2]) {
            0 => {
                self.open = true;
                let forms = ["START TRANSACTION", "BEGIN", "START TRANSACTION"];
                (*self.random.pick(&forms)).to_owned()
            }
            1 => {
                (self.manual, self.open) = (true, true);
                "SET autocommit = 0".to_owned()
            }
            2 => (*self.random.pick(&MODES)).to_owned(),
            3 => (*self.random.pick(&["SET time_zone = '+05:30'", "SET time_zone = '+00:00'"])).to_owned(),
            _ => format!("SET @v = {}", self.random.between(1, 9)),
        }
    }

    fn within(&mut self) -> String {
        match self.random.weighted(&[5, 4, 4, if self.savepoint { 6 } else { 0 }, if self.savepoint { 1 } else { 0 }]) {
            0 => self.done("COMMIT"),
            1 => self.done("ROLLBACK"),
            2 => {
                self.savepoint = true;
                "SAVEPOINT s1".to_owned()
            }
            3 => "ROLLBACK TO SAVEPOINT s1".to_owned(),
            _ => {
                self.savepoint = false;
                "RELEASE SAVEPOINT s1".to_owned()
            }
        }
    }

    fn done(&mut self, word: &str) -> String {
        self.savepoint = false;
        if self.manual {
            self.manual = false;
            self.next.push("SET autocommit = 1".to_owned());
        }
        self.open = false;
        word.to_owned()
    }
}
