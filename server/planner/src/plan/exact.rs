//! The exact tier: fragments of tables are read from the shards into temporary tables on a scratch MySQL, and the statement runs there.
//!
//! A fragment holds at least the rows and columns of its table that the statement can need; what it makes of them is MySQL's. Whoever
//! runs it loads the fragments, some of them reduced by the values of others, and asks the scratch server with the statement's own text,
//! in which only names of tables are others.

use std::sync::Arc;

use vitrail_proto::error::Code;
use vitrail_proto::value::{Binds, Value};
use vitrail_sql::normalise::Normalised;

use super::reading::pieces;
use super::{Part, Reading, Resolved, Route, key_bind};
use crate::key_range::Shards;
use crate::refusal::Refusal;

/// For every statement with one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExactPlan {
    /// Each copies or is reduced by others of them.
    pub(crate) fragments: Vec<Fragment>,
    /// The statement, for the scratch server.
    pub(crate) text: Vec<Part>,
    /// Of some fragments only the first rows are read, if shards' orders can be merged.
    pub(crate) limited: bool,
    /// Columns that are called otherwise there.
    pub(crate) titles: Vec<Title>,
    /// The rule by which no other way was proved right.
    pub(crate) reason: &'static str,
    /// What would change that, as the rule says it.
    pub(crate) instead: Arc<str>,
}

/// What a column is called that has no alias.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Title {
    /// On the scratch server.
    pub(crate) there: Vec<Part>,
    /// In the statement.
    pub(crate) own: Vec<Part>,
}

/// A temporary table with rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The table's keyspace, after which the scratch server's database is called.
    pub keyspace: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// What it is called on the scratch server.
    pub name: Arc<str>,
    /// What is loaded of it. The others are there, and have no value of their own: nothing names them.
    pub columns: Vec<Carried>,
    /// The last column that is read tells whether the row's documents survive being sent as text.
    pub checked: bool,
    /// Where its rows come from.
    pub(crate) rows: FragmentRows,
}

/// Where the rows of a fragment come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FragmentRows {
    /// From the shards.
    Read {
        /// All that its own conditions leave.
        whole: Box<Reading>,
        /// The same from all shards, if the conditions lead to some.
        everywhere: Option<Box<Reading>>,
        /// It has conditions of its own.
        filtered: bool,
        /// Each another way to read fewer.
        reductions: Vec<ReductionPlan>,
    },
    /// They are those of another fragment: MySQL opens a temporary table once in a statement.
    Copy(usize),
    /// There are none: it is written. Those that are in the way are put in once it is known which.
    None,
}

/// How another fragment tells which rows are needed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReductionPlan {
    pub(crate) reduction: Reduction,
    pub(crate) reading: Reading,
}

/// The values of another fragment's column that rows are needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduction {
    /// The other fragment.
    pub source: usize,
    /// Its column.
    pub column: Arc<str>,
    /// How those values are written.
    pub form: Form,
    /// Rows are asked for on the shards of the values.
    pub routed: bool,
}

/// A column that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Its name.
    pub name: Arc<str>,
    /// What is read of it, as the text of an expression.
    pub read: Arc<str>,
    /// How what was read is written again.
    pub form: Form,
}

/// How a value that came as text is written as a literal, so that the same value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Digits, which stand for themselves.
    Number,
    /// Between quotes.
    Quoted,
    /// Between quotes, as bytes.
    Bytes,
    /// Seconds since 1970; 0 is the zero date.
    Instant,
    /// Text, or the bytes of a geometry.
    Opaque,
}

/// The fragments of one statement.
#[derive(Debug, Clone)]
pub struct Exact {
    plan: Arc<ExactPlan>,
    /// For each fragment that is read: the whole, then each of its reductions, then the whole from all shards if that is another text.
    texts: Vec<Vec<Normalised>>,
    titles: Vec<(String, String)>,
}

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        let texts = |exact: &Exact| exact.texts.iter().flatten().map(|text| Arc::clone(&text.text)).collect::<Vec<_>>();
        self.plan == other.plan && texts(self) == texts(other)
    }
}

impl Exact {
    /// The fragments, and the statement for the scratch server.
    pub(super) fn of(plan: &Arc<ExactPlan>, statement: &Normalised) -> Result<(Exact, Arc<str>), Refusal> {
        let mut texts = Vec::with_capacity(plan.fragments.len());
        for fragment in &plan.fragments {
            texts.push(match &fragment.rows {
                FragmentRows::Copy(_) | FragmentRows::None => Vec::new(),
                FragmentRows::Read { whole, everywhere, reductions, .. } => std::iter::once(&**whole)
                    .chain(reductions.iter().map(|reduction| &reduction.reading))
                    .chain(everywhere.as_deref())
                    .map(|reading| reading.of(statement))
                    .collect::<Result<_, _>>()?,
            });
        }
        let title = |title: &Title| Ok((pieces(&title.there, statement)?, pieces(&title.own, statement)?));
        let titles = plan.titles.iter().map(title).collect::<Result<_, Refusal>>()?;
        let sql = pieces(&plan.text, statement)?;
        Ok((Exact { plan: Arc::clone(plan), texts, titles }, sql.into()))
    }

    /// The fragments. Each is loaded once; a copy after what it is a copy of.
    pub fn fragments(&self) -> &[Fragment] {
        &self.plan.fragments
    }

    /// What columns are called on the scratch server, and in the statement.
    pub fn titles(&self) -> &[(String, String)] {
        &self.titles
    }

    /// The text that reads all that a fragment's own conditions leave; empty for a copy.
    pub fn text(&self, fragment: usize) -> &str {
        self.texts[fragment].first().map_or("", |text| &text.text)
    }

    /// The statements that read a fragment; `reduced`: by which of its reductions, with the values that rows are needed for.
    ///
    /// # Errors
    /// Those of [`super::Plan::resolve`].
    ///
    /// # Panics
    /// If the fragment is a copy, or begins empty.
    pub fn read(
        &self,
        fragment: usize,
        reduced: Option<(usize, Vec<Value>)>,
        binds: &Arc<Binds>,
        shards: &Shards,
    ) -> Result<Resolved, Refusal> {
        let FragmentRows::Read { whole, everywhere, reductions, .. } = &self.plan.fragments[fragment].rows else {
            panic!("a copy is not read, nor what begins empty")
        };
        let texts = &self.texts[fragment];
        if let Some((number, values)) = reduced {
            let mut all = Binds::clone(binds);
            all.set(key_bind(0), Value::List(values));
            match reductions[number].reading.plan.resolve(&texts[number + 1], &Arc::new(all), shards) {
                // More than is needed is right, too.
                Err(refusal) if refusal.code == Code::Unsupported => {}
                done => return done,
            }
        }
        match (whole.plan.resolve(&texts[0], binds, shards), everywhere) {
            (Err(refusal), Some(everywhere)) if refusal.code == Code::Unsupported => {
                everywhere.plan.resolve(&texts[reductions.len() + 1], binds, shards)
            }
            (done, _) => done,
        }
    }
}

impl ExactPlan {
    /// What would make the statement cheaper.
    pub(crate) fn advice(&self) -> String {
        let mut advice = self.instead.to_string();
        let all = |fragment: &&Fragment| {
            !fragment.narrow()
                && !fragment.filtered()
                && matches!(fragment.rows, FragmentRows::Read { .. })
                && fragment.reductions().len() == 0
        };
        let whole: Vec<String> = self.fragments.iter().filter(all).map(|fragment| quote(&fragment.table)).collect();
        if !whole.is_empty() {
            let rows = format!(
                "; all rows of {} are read: compare its columns with values, or with columns of another table",
                whole.join(", ")
            );
            advice.push_str(&rows);
        }
        advice
    }
}

impl Fragment {
    /// The fragment that it is a copy of.
    pub fn copy_of(&self) -> Option<usize> {
        match self.rows {
            FragmentRows::Copy(of) => Some(of),
            FragmentRows::Read { .. } | FragmentRows::None => None,
        }
    }

    /// Its rows are not read with the others'.
    pub fn begins_empty(&self) -> bool {
        matches!(self.rows, FragmentRows::None)
    }

    /// How others may tell which of its rows are needed.
    pub fn reductions(&self) -> impl ExactSizeIterator<Item = &Reduction> {
        let reductions: &[ReductionPlan] = match &self.rows {
            FragmentRows::Read { reductions, .. } => reductions,
            FragmentRows::Copy(_) | FragmentRows::None => &[],
        };
        reductions.iter().map(|plan| &plan.reduction)
    }

    /// Conditions of its own leave fewer rows than its table has.
    pub fn filtered(&self) -> bool {
        matches!(self.rows, FragmentRows::Read { filtered: true, .. })
    }

    /// It is read on some shards only.
    pub fn narrow(&self) -> bool {
        match &self.rows {
            FragmentRows::Read { whole, .. } => !matches!(whole.plan.route, Route::AllShards),
            FragmentRows::Copy(_) | FragmentRows::None => false,
        }
    }

    /// Its name with that of its database.
    pub fn qualified(&self) -> String {
        format!("{}.{}", quote(&self.keyspace), quote(&self.name))
    }
}

/// A name in backticks.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
