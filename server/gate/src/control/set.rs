//! SET: of session variables, of transaction characteristics, of names.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, Isolation, ResultEnd};
use vitrail_sql::control::set::{self, Assignment, Set};
use vitrail_sql::normalise::Normalised;

use crate::request::Scope;
use crate::session::Session;
use crate::settings;
use crate::variables::{self, Effect};

/// Runs a SET statement: all of it, or nothing if a part is refused.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    statement: &Normalised,
) -> Result<ResultEnd, ErrorBody> {
    let mariadb = scope.gate.is_mariadb();
    match set::parse(statement)? {
        Set::Variables(assignments) => assign(scope, session, &assignments, mariadb).await?,
        Set::SessionTransaction(options) => {
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
        Set::NextTransaction(options) => next(session, options)?,
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
    let mut preferences = session.now.preferences;
    for Assignment { name, literal, next_only } in assignments {
        match variables::decide(name, literal, mariadb)? {
            Effect::Autocommit(on) => autocommit = on,
            Effect::Preference(name, value) => preferences.set(name, value)?,
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
    session.now.preferences = preferences;
    session.now.settings = scope.gate.interner.intern(kept);
    Ok(())
}
