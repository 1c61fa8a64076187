//! SET: of session variables, of transaction characteristics, of names.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, Isolation, ResultEnd};

use crate::request::Scope;
use crate::session::Session;
use crate::variables::{self, Effect};
use crate::words::{Token, Words};
use crate::{failure, settings};

/// One assignment.
#[derive(Debug, PartialEq, Eq)]
struct Assignment {
    /// Lower case.
    name: String,
    /// The text of a literal.
    literal: String,
    /// `@@name` without a scope: for the next transaction only, if it is one of transactions.
    next_only: bool,
}

/// What a SET statement asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Variables(Vec<Assignment>),
    /// `SET SESSION TRANSACTION`
    SessionTransaction(BeginOptions),
    /// `SET TRANSACTION`
    NextTransaction(BeginOptions),
}

/// Runs a SET statement: all of it, or nothing if a part is refused.
pub(super) async fn run(scope: &Scope<'_>, session: &mut Session, body: &str) -> Result<ResultEnd, ErrorBody> {
    let mariadb = scope.gate.is_mariadb();
    match parse(Words::new(body)?)? {
        Wanted::Variables(assignments) => assign(scope, session, &assignments, mariadb).await?,
        Wanted::SessionTransaction(options) => {
            let mut kept = (*session.now.settings).clone();
            if let Some(level) = options.isolation {
                let name = variables::physical("transaction_isolation", mariadb);
                kept = settings::with(&kept, name, &variables::isolation_literal(level));
            }
            if let Some(read_only) = options.read_only {
                let name = variables::physical("transaction_read_only", mariadb);
                kept = settings::with(&kept, name, if read_only { "1" } else { "0" });
            }
            session.now.settings = scope.gate.interner.intern(kept);
        }
        Wanted::NextTransaction(options) => next(session, options)?,
    }
    Ok(ResultEnd::default())
}

/// Options for the next transaction; inside one, MySQL refuses them.
fn next(session: &mut Session, options: BeginOptions) -> Result<(), ErrorBody> {
    if session.in_transaction() {
        let message = "transaction characteristics cannot be changed while a transaction is in progress";
        return Err(ErrorBody::new(vitrail_proto::error::Code::Invalid, message).with_errno(1568, "25001"));
    }
    let known = session.next.get_or_insert_default();
    known.isolation = options.isolation.or(known.isolation);
    known.read_only = options.read_only.or(known.read_only);
    Ok(())
}

async fn assign(
    scope: &Scope<'_>,
    session: &mut Session,
    assignments: &[Assignment],
    mariadb: bool,
) -> Result<(), ErrorBody> {
    let mut kept = (*session.now.settings).clone();
    let mut autocommit = session.now.autocommit;
    for Assignment { name, literal, next_only } in assignments {
        match variables::decide(name, literal, mariadb)? {
            Effect::Autocommit(on) => autocommit = on,
            Effect::Nothing => {}
            Effect::Default(name) => kept = settings::without(&kept, name),
            Effect::Keep(name, value) if *next_only && name.ends_with("isolation") => {
                let isolation = Isolation::parse(&value.trim_matches('\'').replace('-', " "));
                next(session, BeginOptions { isolation, ..BeginOptions::default() })?;
            }
            Effect::Keep(name, value) if *next_only && name.ends_with("read_only") => {
                next(session, BeginOptions { read_only: Some(value == "1"), ..BeginOptions::default() })?;
            }
            Effect::Keep(name, value) => kept = settings::with(&kept, name, &value),
        }
    }
    if autocommit && !session.now.autocommit {
        super::implicit_commit(scope, session).await?;
    }
    session.now.autocommit = autocommit;
    session.now.settings = scope.gate.interner.intern(kept);
    Ok(())
}

fn parse(mut words: Words<'_>) -> Result<Wanted, ErrorBody> {
    if !words.take(&["SET"]) {
        return Err(words.unexpected());
    }
    if words.take(&["TRANSACTION"]) {
        return Ok(Wanted::NextTransaction(characteristics(words)?));
    }
    if words.take(&["SESSION", "TRANSACTION"]) || words.take(&["LOCAL", "TRANSACTION"]) {
        return Ok(Wanted::SessionTransaction(characteristics(words)?));
    }
    let mut assignments = Vec::new();
    loop {
        assignments.push(assignment(&mut words)?);
        if !words.take_symbol(',') {
            break;
        }
    }
    words.end()?;
    Ok(Wanted::Variables(assignments))
}

/// `ISOLATION LEVEL …`, `READ ONLY`, `READ WRITE`, each at most once.
fn characteristics(mut words: Words<'_>) -> Result<BeginOptions, ErrorBody> {
    let mut options = BeginOptions::default();
    loop {
        if options.read_only.is_none() && words.take(&["READ", "ONLY"]) {
            options.read_only = Some(true);
        } else if options.read_only.is_none() && words.take(&["READ", "WRITE"]) {
            options.read_only = Some(false);
        } else if options.isolation.is_none() && words.take(&["ISOLATION", "LEVEL"]) {
            let levels: [(&[&str], Isolation); 4] = [
                (&["READ", "UNCOMMITTED"], Isolation::ReadUncommitted),
                (&["READ", "COMMITTED"], Isolation::ReadCommitted),
                (&["REPEATABLE", "READ"], Isolation::RepeatableRead),
                (&["SERIALIZABLE"], Isolation::Serializable),
            ];
            let level = levels.into_iter().find(|(written, _)| words.take(written));
            options.isolation = Some(level.ok_or_else(|| words.unexpected())?.1);
        } else {
            return Err(words.unexpected());
        }
        if !words.take_symbol(',') {
            break;
        }
    }
    words.end()?;
    Ok(options)
}

fn assignment(words: &mut Words<'_>) -> Result<Assignment, ErrorBody> {
    if words.take(&["GLOBAL"]) || words.take(&["PERSIST"]) || words.take(&["PERSIST_ONLY"]) {
        return Err(global());
    }
    if words.take(&["NAMES"]) {
        let literal = literal(words)?;
        if words.take(&["COLLATE"]) {
            let collation = self::literal(words)?;
            if !collation.trim_matches('\'').to_ascii_lowercase().starts_with("utf8mb4_") {
                return Err(failure::unsupported(format!(
                    "SET NAMES with collation {collation} is not supported: text travels as utf8mb4 only"
                )));
            }
            return Ok(Assignment { name: "collation_connection".into(), literal: collation, next_only: false });
        }
        return Ok(Assignment { name: "names".into(), literal, next_only: false });
    }
    if words.take(&["CHARACTER", "SET"]) || words.take(&["CHARSET"]) {
        return Ok(Assignment { name: "names".into(), literal: literal(words)?, next_only: false });
    }
    let scoped = words.take(&["SESSION"]) || words.take(&["LOCAL"]);
    let (name, next_only) = match words.next() {
        Some(Token::Word(name)) => (name.to_ascii_lowercase(), false),
        Some(Token::Name(name)) => (name.to_ascii_lowercase(), false),
        Some(Token::Variable(variable)) if !scoped => system_variable(variable)?,
        _ => return Err(words.unexpected()),
    };
    if words.take_symbol('.') {
        return Err(global());
    }
    words.take_symbol(':');
    if !words.take_symbol('=') {
        return Err(words.unexpected());
    }
    Ok(Assignment { literal: literal(words)?, name, next_only })
}

/// `@@name`, `@@session.name`, `@@local.name`; also whether it lacks a scope.
fn system_variable(written: &str) -> Result<(String, bool), ErrorBody> {
    let Some(name) = written.strip_prefix("@@") else {
        return Err(failure::unsupported(
            "user variables (@name) are not supported: they would live in one MySQL connection, and sessions share those",
        ));
    };
    let name = name.to_ascii_lowercase();
    match name.split_once('.') {
        None => Ok((name, true)),
        Some(("session" | "local", name)) => Ok((name.to_owned(), false)),
        Some(_) => Err(global()),
    }
}

/// One literal, up to the next comma; the text of more than one token is an expression.
fn literal(words: &mut Words<'_>) -> Result<String, ErrorBody> {
    let negative = words.take_symbol('-');
    let text = match words.next() {
        Some(Token::Number(number)) if negative => format!("-{number}"),
        _ if negative => return Err(words.unexpected()),
        Some(Token::Number(number)) => number.to_owned(),
        Some(Token::Word(word)) => word.to_owned(),
        Some(Token::Text(text)) => {
            let plain = crate::words::plain_text(text).ok_or_else(expression)?;
            if plain.contains('\'') {
                return Err(expression());
            }
            format!("'{plain}'")
        }
        Some(_) => return Err(expression()),
        None => return Err(words.unexpected()),
    };
    match words.peek() {
        None | Some(Token::Symbol(',')) => Ok(text),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("collate") => Ok(text),
        Some(_) => Err(expression()),
    }
}

fn expression() -> ErrorBody {
    failure::unsupported("SET of an expression is not supported; use a number, a plain string or a word such as ON")
}

fn global() -> ErrorBody {
    failure::unsupported(
        "SET GLOBAL and PERSIST are not supported: they would change one server of many; ask its administrator",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Wanted, ErrorBody> {
        parse(Words::new(text)?)
    }

    fn one(name: &str, literal: &str, next_only: bool) -> Wanted {
        Wanted::Variables(vec![Assignment { name: name.into(), literal: literal.into(), next_only }])
    }

    #[test]
    fn assignments_are_read() {
        for (text, wanted) in [
            ("SET autocommit=0", one("autocommit", "0", false)),
            ("SET SESSION Time_Zone := '+00:00'", one("time_zone", "'+00:00'", false)),
            ("set @@session.sql_mode = \"ANSI\"", one("sql_mode", "'ANSI'", false)),
            ("SET @@tx_isolation = 'SERIALIZABLE'", one("tx_isolation", "'SERIALIZABLE'", true)),
            ("SET NAMES utf8mb4", one("names", "utf8mb4", false)),
            ("SET NAMES 'utf8mb4' COLLATE utf8mb4_bin", one("collation_connection", "utf8mb4_bin", false)),
            ("SET CHARACTER SET utf8mb4", one("names", "utf8mb4", false)),
            ("SET x=-1", one("x", "-1", false)),
        ] {
            assert_eq!(check(text), Ok(wanted), "{text}");
        }
        let several = check("SET a=1, SESSION b=ON").expect("two");
        assert!(matches!(several, Wanted::Variables(list) if list.len() == 2));
    }

    #[test]
    fn transactions_have_characteristics() {
        let options = |isolation, read_only| BeginOptions { isolation, read_only, ..BeginOptions::default() };
        let level = Some(Isolation::ReadCommitted);
        for (text, wanted) in [
            ("SET TRANSACTION READ ONLY", Wanted::NextTransaction(options(None, Some(true)))),
            (
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                Wanted::SessionTransaction(options(level, None)),
            ),
            (
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
                Wanted::NextTransaction(options(level, Some(false))),
            ),
        ] {
            assert_eq!(check(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_says_so() {
        for text in [
            "SET @a = 1",
            "SET GLOBAL x = 1",
            "SET @@global.x = 1",
            "SET x = 1 + 1",
            "SET x = (SELECT 1)",
            "SET x = @@y",
            "SET sql_mode = 'a\\'b'",
        ] {
            assert_eq!(check(text).expect_err(text).errno, 1235, "{text}");
        }
        for text in ["SET", "SET x", "SET x =", "SET TRANSACTION", "SET x = 1,"] {
            assert_eq!(check(text).expect_err(text).errno, 1064, "{text}");
        }
    }
}
