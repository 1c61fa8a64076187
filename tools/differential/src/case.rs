//! Cases: the records of a `.slt` file, and what their annotations ask of the comparison.
//!
//! `testdata/sql/README.md` is the reference of the format.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use sqllogictest::{ColumnType, Condition, Connection, ExpectedError, QueryExpect, Record, StatementExpect};
use vitrail_harness::Flavour;

use crate::clause;

/// One statement of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Where it stands.
    pub file: PathBuf,
    /// The line of `query` or `statement`, from 1.
    pub line: usize,
    /// The statement.
    pub sql: String,
    /// The session that runs it.
    pub session: String,
    /// What one MySQL must do with it, so that a case cannot rot.
    pub expected: Expected,
    /// How answers are compared.
    pub view: View,
    /// Refused for now; on which flavour, or on all.
    pub exact: Option<Scope>,
    /// A known fault of Vitrail, in a line.
    pub bug: Option<String>,
    /// An error has MySQL's text, not its number only.
    pub text: bool,
    /// It is run on these.
    pub flavours: Vec<Flavour>,
}

/// What one MySQL must do with a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Rows.
    Rows,
    /// No error.
    Ok,
    /// So many affected rows.
    Count(u64),
    /// An error, whose text `errno: message` matches.
    Error(ExpectedError),
}

/// The flavours that a tag speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// One.
    Only(Flavour),
}

impl Scope {
    /// Whether it speaks of this one.
    pub fn covers(self, flavour: Flavour) -> bool {
        self == Scope::All || self == Scope::Only(flavour)
    }
}

/// The name of a flavour in these files.
pub fn label(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::MariaDb => "mariadb",
        Flavour::MySql => "mysql",
    }
}

/// How two answers are compared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Of the rows.
    pub order: Order,
    /// One for each column; empty: all exact.
    pub columns: Vec<Kind>,
    /// LIMIT may cut between equal rows: rows of the answer without LIMIT count.
    pub limited: bool,
    /// The collation of columns of [`Kind::Class`].
    pub collation: Option<String>,
    /// Columns are expressions under aliases, whose names do not tell.
    pub expressions: bool,
}

/// Which order of rows counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// None: there is no ORDER BY.
    #[default]
    None,
    /// All of it: ORDER BY is total.
    Total,
    /// That of these columns, from 0; rows with equal keys come in any order.
    Keys(Vec<usize>),
}

/// How the cells of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Byte for byte.
    Exact,
    /// As doubles, within 1e-12 of each other relatively.
    Real,
    /// Any member of the class of equal texts.
    Class,
    /// By shape: where letters and digits stand.
    Volatile,
}

impl ColumnType for Kind {
    fn from_char(value: char) -> Option<Kind> {
        match value {
            'T' | 'I' => Some(Kind::Exact),
            'R' => Some(Kind::Real),
            'C' => Some(Kind::Class),
            'V' => Some(Kind::Volatile),
            _ => None,
        }
    }

    fn to_char(&self) -> char {
        match self {
            Kind::Exact => 'T',
            Kind::Real => 'R',
            Kind::Class => 'C',
            Kind::Volatile => 'V',
        }
    }
}

/// The cases of a file.
///
/// # Errors
///
/// What cannot be read, with its line.
pub fn read(file: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(file, &text)
}

/// The cases of a text.
///
/// # Errors
///
/// What cannot be read, with its line.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Case>> {
    let records = sqllogictest::parse_with_name::<Kind>(text, file.display().to_string().as_str())
        .map_err(|error| anyhow!("{error}"))?;
    let mut cases = Vec::new();
    let mut comment = Vec::new();
    for record in records {
        match record {
            Record::Comment(lines) => comment = lines,
            Record::Newline => comment.clear(),
            // The parser gives them to the statement that follows.
            Record::Condition(_) | Record::Connection(_) => {}
            Record::Statement { loc, conditions, connection, sql, expected, .. } => {
                let expected = match expected {
                    StatementExpect::Ok => Expected::Ok,
                    StatementExpect::Count(count) => Expected::Count(count),
                    StatementExpect::Error(error) => Expected::Error(error),
                };
                let parts = Parts { line: loc.line() as usize, conditions, connection, sql };
                let made = case(file, parts, expected, View::default(), &std::mem::take(&mut comment));
                cases.push(made.with_context(|| loc.to_string())?);
            }
            Record::Query { loc, conditions, connection, sql, expected, .. } => {
                let (expected, view) = match expected {
                    QueryExpect::Error(error) => (Expected::Error(error), Ok(View::default())),
                    QueryExpect::Results { results, .. } if !results.is_empty() => {
                        bail!("{loc}: leave the result out, one MySQL gives it")
                    }
                    QueryExpect::Results { types, sort_mode, label, .. } => {
                        if sort_mode.is_some() {
                            bail!(
                                "{loc}: there are no sort modes here: ORDER BY says whether the order counts, and ties(…) how far"
                            );
                        }
                        (Expected::Rows, view(&sql, types, label.as_deref().unwrap_or_default()))
                    }
                };
                let view = view.with_context(|| loc.to_string())?;
                let parts = Parts { line: loc.line() as usize, conditions, connection, sql };
                let made = case(file, parts, expected, view, &std::mem::take(&mut comment));
                cases.push(made.with_context(|| loc.to_string())?);
            }
            other => bail!("{}: not used here: {other}", file.display()),
        }
    }
    Ok(cases)
}

/// What every record has.
struct Parts {
    line: usize,
    conditions: Vec<Condition>,
    connection: Connection,
    sql: String,
}

fn case(file: &Path, parts: Parts, expected: Expected, view: View, comment: &[String]) -> Result<Case> {
    let Parts { line, conditions, connection, sql } = parts;
    let mut flavours = Flavour::ALL.to_vec();
    for condition in conditions {
        let (label, only) = match &condition {
            Condition::OnlyIf { label } => (label, true),
            Condition::SkipIf { label } => (label, false),
        };
        let named = Flavour::parse(label).ok_or_else(|| anyhow!("`{label}` is neither mariadb nor mysql"))?;
        flavours.retain(|flavour| (*flavour == named) == only);
    }
    let (mut exact, mut bug, mut text) = (None, None, false);
    for line in comment.iter().map(|line| line.trim()) {
        match line {
            "exact" => exact = Some(Scope::All),
            "text" => text = true,
            _ => {
                let inside = |word: &str| line.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
                if let Some(name) = inside("exact") {
                    let flavour = Flavour::parse(name).ok_or_else(|| anyhow!("exact({name}) names no flavour"))?;
                    exact = Some(Scope::Only(flavour));
                } else if let Some(fault) = inside("bug") {
                    bug = Some(fault.to_owned());
                }
            }
        }
    }
    let session = match connection {
        Connection::Default => String::new(),
        Connection::Named(name) => name,
    };
    Ok(Case { file: file.to_owned(), line, sql, session, expected, view, exact, bug, text, flavours })
}

/// The view that column types and label ask for.
fn view(sql: &str, columns: Vec<Kind>, label: &str) -> Result<View> {
    let ordered = clause::is_ordered(sql);
    let order = if ordered { Order::Total } else { Order::None };
    let mut view = View { order, columns, ..View::default() };
    for part in label.split('+').filter(|part| !part.is_empty()) {
        let inside = |word: &str| part.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
        if part == "limited" {
            clause::without_limit(sql)
                .ok_or_else(|| anyhow!("limited, but the statement does not end with LIMIT and numbers"))?;
            view.limited = true;
        } else if part == "expressions" {
            view.expressions = true;
        } else if let Some(keys) = inside("ties") {
            let number = |text: &str| text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let keys: Option<Vec<usize>> = keys.split(',').map(number).collect();
            if !ordered {
                bail!("ties(…) without ORDER BY");
            }
            view.order = Order::Keys(keys.ok_or_else(|| anyhow!("ties(…) takes numbers of columns, from 1"))?);
        } else if let Some(collation) = inside("class") {
            view.collation = Some(collation.to_owned());
        } else {
            bail!("`{part}` is none of limited, expressions, ties(…) and class(…)");
        }
    }
    if view.limited && view.order == Order::Total {
        bail!("limited goes with ties(…) where there is ORDER BY: under a total order LIMIT cuts exactly");
    }
    if view.columns.contains(&Kind::Class) != view.collation.is_some() {
        bail!("columns of type C and class(collation) go together");
    }
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Case {
        let mut cases = parse(Path::new("a.slt"), text).unwrap();
        assert_eq!(cases.len(), 1);
        cases.remove(0)
    }

    #[test]
    fn annotations_are_read() {
        let case = one(
            "# why\n# exact\nonlyif mysql\nquery TCR ties(1,2)+limited+class(utf8mb4_general_ci)\nSELECT a, b, c FROM t\nORDER BY a, b LIMIT 3\n",
        );
        assert_eq!(case.sql, "SELECT a, b, c FROM t\nORDER BY a, b LIMIT 3");
        assert_eq!((case.line, case.exact, case.flavours), (4, Some(Scope::All), vec![Flavour::MySql]));
        assert_eq!(case.view.order, Order::Keys(vec![0, 1]));
        assert_eq!(case.view.columns, [Kind::Exact, Kind::Class, Kind::Real]);
        assert_eq!(case.view.collation.as_deref(), Some("utf8mb4_general_ci"));
        assert!(case.view.limited);
    }

    #[test]
    fn order_by_says_whether_the_order_counts() {
        assert_eq!(one("query\nSELECT a FROM t\n").view.order, Order::None);
        assert_eq!(one("query\nSELECT a FROM t ORDER BY a\n").view.order, Order::Total);
        assert_eq!(one("query\nSELECT ROW_NUMBER() OVER (ORDER BY a) FROM t\n").view.order, Order::None);
    }

    #[test]
    fn tags_stand_right_above_the_statement() {
        let case = one("# bug(the last row is lost)\nstatement ok\nDELETE FROM t\n");
        assert_eq!(case.bug.as_deref(), Some("the last row is lost"));
        assert_eq!(one("# exact\n\nstatement ok\nDELETE FROM t\n").exact, None);
        assert!(one("# text\nstatement error 1062\nDELETE FROM t\n").text);
        let case = one("# exact(mysql)\nconnection b\nstatement error 1062\nDELETE FROM t\n");
        assert_eq!((case.exact, &*case.session), (Some(Scope::Only(Flavour::MySql)), "b"));
        assert!(matches!(case.expected, Expected::Error(ExpectedError::Inline(_))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "query\nSELECT 1\n----\n1\n",
            "query I rowsort\nSELECT a FROM t\n",
            "query I ties(1)\nSELECT a FROM t\n",
            "query I ties(0)\nSELECT a FROM t ORDER BY a\n",
            "query I limited\nSELECT a FROM t LIMIT :n\n",
            "query I limited\nSELECT a FROM t ORDER BY a LIMIT 3\n",
            "query C\nSELECT a FROM t\n",
            "query I tie(1)\nSELECT a FROM t ORDER BY a\n",
            "query X\nSELECT a FROM t\n",
            "onlyif oracle\nquery\nSELECT a FROM t\n",
            "# exact(oracle)\nquery\nSELECT a FROM t\n",
            "sleep 1s\n",
        ] {
            assert!(parse(Path::new("a.slt"), text).is_err(), "{text}");
        }
    }
}
