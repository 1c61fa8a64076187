//! SET: of session variables and user variables, of transaction characteristics, of names.

use std::pin::pin;
use std::sync::Arc;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::{BeginOptions, Isolation, ResultEnd, Warning};
use vitrail_proto::value::Binds;
use vitrail_service::call::{On, Settings};
use vitrail_sql::control::set::{self, Assignment, Given, Set, Variable};
use vitrail_sql::normalise::Normalised;

use super::sql_mode;
use crate::answer::Answer;
use crate::insight::watch::Watch;
use crate::request::Scope;
use crate::session::{Session, TransactionState};
use crate::variables::{self, Effect};
use crate::{calling, failure, holdings, scatter, settings, values};

/// Runs a SET statement: all of it, or nothing if a part is refused.
pub(crate) async fn run(
    scope: &mut Scope<'_>,
    session: &mut Session,
    (statement, binds): (&Normalised, &Arc<Binds>),
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<ResultEnd, ErrorBody> {
    let mariadb = scope.gate.is_mariadb();
    let mut warnings = Vec::new();
    match set::parse(statement)? {
        Set::Variables(assignments) => {
            warnings = assign(scope, session, (assignments, binds), mariadb, answer, watch).await?;
        }
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
    let count = u32::try_from(warnings.len()).unwrap_or(u32::MAX);
    Ok(ResultEnd { warnings: count, warning_texts: warnings, ..ResultEnd::default() })
}

/// Options for the next transaction; inside one, MySQL refuses them.
fn next(session: &mut Session, options: BeginOptions) -> Result<(), ErrorBody> {
    if session.shows_transaction() {
        let message = "transaction characteristics cannot be changed while a transaction is in progress";
        return Err(ErrorBody::new(vitrail_proto::error::Code::Invalid, message).with_errno(1568, "25001"));
    }
    // One that nothing has joined yet is the next.
    let known = match &mut session.transaction {
        TransactionState::Open(transaction) => &mut transaction.options,
        TransactionState::None | TransactionState::Lost => &mut **session.next.get_or_insert_default(),
    };
    known.isolation = options.isolation.or(known.isolation);
    known.read_only = options.read_only.or(known.read_only);
    Ok(())
}

/// As in MySQL, every value is worked out before the first variable is set. Gives what MySQL warns of.
async fn assign(
    scope: &mut Scope<'_>,
    session: &mut Session,
    (assignments, binds): (Vec<Assignment>, &Arc<Binds>),
    mariadb: bool,
    answer: &mut Answer<'_>,
    watch: &mut Watch,
) -> Result<Vec<Warning>, ErrorBody> {
    let mut worked_out = Vec::with_capacity(assignments.len());
    for Assignment { variable, given } in assignments {
        let literal = match (given, &variable) {
            (Given::Literal(literal), Variable::System { .. }) => literal,
            (Given::Literal(literal), Variable::User(_)) => literal.to_ascii_uppercase(),
            (Given::Expression(expression), Variable::User(_)) => {
                values::evaluate(scope, session, (&expression, binds), answer, watch).await?
            }
            (Given::Expression(expression), Variable::System { name, .. }) => {
                // Refused by name before anything is asked.
                variables::is_settable(name)?;
                let literal = values::evaluate(scope, session, (&expression, binds), answer, watch).await?;
                holdings::setting_of(&literal).ok_or_else(|| settings::wrong_value(name, &expression))?
            }
        };
        worked_out.push((variable, literal));
    }
    let mut kept = (*session.now.settings).clone();
    let mut autocommit = session.now.autocommit;
    let mut preferences = session.now.preferences;
    let mut last_insert_id = session.last_insert_id;
    let mut next_options = BeginOptions::default();
    let mut held = session.holdings().clone();
    let mut warnings = Vec::new();
    for (variable, literal) in &worked_out {
        let (name, next_only) = match variable {
            Variable::User(name) => {
                held.set_user_variable(name, literal)?;
                continue;
            }
            Variable::System { name, next_only } => (name, next_only),
        };
        match variables::decide(name, literal, mariadb)? {
            Effect::Autocommit(on) => autocommit = on,
            Effect::Preference(name, value) => preferences.set(name, value)?,
            Effect::LastInsertId(id) => last_insert_id = id,
            Effect::Nothing => {}
            Effect::Default(name) => kept = settings::without(&kept, name),
            Effect::Keep(name, value) if *next_only && name.ends_with("isolation") => {
                next_options.isolation = Isolation::parse(&value.trim_matches('\'').replace('-', " "));
            }
            Effect::Keep(name, value) if *next_only && name.ends_with("read_only") => {
                next_options.read_only = Some(value == "1");
            }
            Effect::Keep(name, value) => {
                if name == "sql_mode" && !mariadb {
                    warnings.extend(sql_mode::warnings(&value));
                }
                kept = settings::with(&kept, name, &value);
            }
        }
    }
    if kept != *session.now.settings {
        session.now.settings = verified(scope, kept).await?;
    }
    if next_options != BeginOptions::default() {
        next(session, next_options)?;
    }
    if autocommit && !session.now.autocommit {
        super::implicit_commit(scope, session).await?;
    }
    session.now.autocommit = autocommit;
    session.now.preferences = preferences;
    session.last_insert_id = last_insert_id;
    session.hold(|known| {
        *known = held;
        Ok(())
    })?;
    Ok(warnings)
}

/// The settings, after a MySQL has taken them: a value that it refuses is refused here, not at the next statement. What some session
/// has already is known to be fine.
async fn verified(scope: &Scope<'_>, kept: Settings) -> Result<Arc<Settings>, ErrorBody> {
    if let Some(known) = scope.gate.interner.find(&kept) {
        return Ok(known);
    }
    let keyspace = match &scope.target.keyspace {
        Some(name) => Some(scope.view.cluster.keyspace(name)?),
        None => scope.view.cluster.keyspaces().next(),
    };
    let Some(keyspace) = keyspace else { return Ok(scope.gate.interner.intern(kept)) };
    let kept = Arc::new(kept);
    let shard = keyspace.shards.first().ok_or_else(|| failure::internal("a keyspace without shards"))?;
    let call = vitrail_service::call::Call { settings: Arc::clone(&kept), ..scope.calling.call(None) };
    let calls = scatter::Calls::new(scope.calling.cancel, [(Arc::clone(&shard.service), call.id)]);
    let task = scatter::Task {
        service: Arc::clone(&shard.service),
        shard: keyspace.label(0),
        call,
        statement: calling::statement("DO 0", false),
        on: On::Pool,
    };
    calls.guard(pin!(scatter::run_one(task))).await?;
    Ok(scope.gate.interner.intern(Arc::unwrap_or_clone(kept)))
}
