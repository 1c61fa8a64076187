//! SELECTs of what the gate knows of a session: `LAST_INSERT_ID()`, `DATABASE()`, `@@autocommit` and their like, alone or
//! beside system variables, which a shard's MySQL answers under the session's settings.

use std::sync::Arc;

use vitrail_planner::PlanContext;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::value::Binds;
use vitrail_sql::control::into;
use vitrail_sql::control::select::{self, Fact};
use vitrail_sql::normalise::Normalised;

use crate::answer::Answer;
use crate::columns::{self, Own};
use crate::merge::row::Packer;
use crate::request::Scope;
use crate::session::Session;
use crate::{failure, planning, preferences, route, substitute, variables};

/// A SELECT list of facts about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnSelect {
    items: Vec<(Source, String)>,
}

/// Who knows a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Gate(Function),
    /// Any MySQL that has the session's settings; the expression.
    Server(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    LastInsertId,
    RowCount,
    FoundRows,
    WarningCount,
    ErrorCount,
    Keyspace,
    ConnectionId,
    User,
    Autocommit,
    Preference(&'static str),
}

impl OwnSelect {
    /// Reads a SELECT list; `None` if anything else is in it, or if it is the planner's because it asks nothing of the gate,
    /// and a keyspace is chosen.
    pub(crate) fn of(statement: &Normalised, has_keyspace: bool, mariadb: bool) -> Option<OwnSelect> {
        // SELECT … INTO is MySQL's.
        if statement.text.contains(into::MARK) {
            return None;
        }
        let items = select::parse(statement)?.into_iter();
        let items: Option<Vec<_>> =
            items.map(|item| Some((source(&item.fact, mariadb)?, item.title.into_owned()))).collect();
        let items = items?;
        let asks_gate = items.iter().any(|(source, _)| matches!(source, Source::Gate(_)));
        (asks_gate || !has_keyspace).then_some(OwnSelect { items })
    }

    /// Puts the one row into `answer`.
    pub(crate) async fn run(
        &self,
        scope: &Scope<'_>,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let own: Option<Vec<_>> = self
            .items
            .iter()
            .map(|(source, title)| match source {
                Source::Gate(function) => Some((*function, title)),
                Source::Server(_) => None,
            })
            .collect();
        let Some(own) = own else { return self.run_on_server(scope, session, answer).await };
        let columns: Vec<Own<'_>> = own.iter().map(|(function, title)| function.column(title)).collect();
        answer.fields(columns::pack(&columns)).await?;
        let mut packer = Packer::default();
        packer.push_cells(own.iter().map(|(function, _)| function.value(scope, session)));
        let Some(batch) = packer.take() else { return Ok(ResultEnd::default()) };
        answer.rows(batch).await?;
        Ok(ResultEnd { rows: 1, ..ResultEnd::default() })
    }

    /// What the gate knows goes along as literals, so that the row comes from one place.
    async fn run_on_server(
        &self,
        scope: &Scope<'_>,
        session: &mut Session,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let first = || scope.view.cluster.keyspaces().next().map(|keyspace| keyspace.name.to_string());
        let name = scope.target.keyspace.clone().or_else(first).ok_or_else(failure::no_keyspace)?;
        let keyspace = scope.view.cluster.keyspace(&name)?;
        let statement = planning::normalise(self.sql(scope, session).into(), session)?;
        let context = PlanContext { keyspace: Some(&name), ..planning::context(scope, &[]) };
        let plan = vitrail_planner::plan(&statement, &context)?;
        let resolved = plan.resolve(&statement, &Arc::new(Binds::new()), &keyspace.layout)?;
        route::run(session, keyspace, &resolved, scope.limits, &scope.calling, answer).await.map(|end| *end)
    }

    fn sql(&self, scope: &Scope<'_>, session: &Session) -> String {
        let mut sql = String::from("SELECT ");
        for (index, (source, title)) in self.items.iter().enumerate() {
            if index > 0 {
                sql.push_str(", ");
            }
            match source {
                Source::Server(expression) => sql.push_str(expression),
                Source::Gate(function) => sql.push_str(&function.literal(scope, session)),
            }
            sql.push_str(" AS `");
            sql.push_str(&title.replace('`', "``"));
            sql.push('`');
        }
        sql
    }
}

impl Function {
    fn column(self, title: &str) -> Own<'_> {
        match self {
            Function::LastInsertId | Function::ConnectionId | Function::WarningCount | Function::ErrorCount => {
                Own::Unsigned(title)
            }
            Function::Autocommit | Function::RowCount | Function::FoundRows => Own::Integer(title),
            Function::Keyspace | Function::User | Function::Preference(_) => Own::Text(title),
        }
    }

    fn value(self, scope: &Scope<'_>, session: &Session) -> Option<String> {
        match self {
            Function::LastInsertId => Some(session.last_insert_id.to_string()),
            Function::RowCount => Some(session.row_count.to_string()),
            Function::FoundRows => Some(session.found_rows.to_string()),
            Function::WarningCount => Some(session.warning_count.to_string()),
            Function::ErrorCount => Some(session.error_count().to_string()),
            Function::Keyspace => scope.target.keyspace.clone(),
            Function::ConnectionId => Some(session.seat.entry.id.to_string()),
            Function::User => Some(format!("{}@%", session.user)),
            Function::Preference(name) => {
                preferences::registered(name).ok().map(|known| known.value(&session.now.preferences))
            }
            Function::Autocommit => Some(u8::from(session.now.autocommit).to_string()),
        }
    }

    /// The value as SQL that every sql_mode reads alike.
    fn literal(self, scope: &Scope<'_>, session: &Session) -> String {
        let Some(value) = self.value(scope, session) else { return "NULL".into() };
        match self.column("") {
            Own::Unsigned(_) => format!("CAST({value} AS UNSIGNED)"),
            Own::Integer(_) => format!("CAST({value} AS SIGNED)"),
            Own::Text(_) => substitute::text_literal(&value),
        }
    }
}

fn source(fact: &Fact, mariadb: bool) -> Option<Source> {
    let function = match fact {
        Fact::SessionVariable(name) => match name.as_str() {
            "autocommit" => Function::Autocommit,
            "last_insert_id" | "identity" => Function::LastInsertId,
            "warning_count" => Function::WarningCount,
            "error_count" => Function::ErrorCount,
            "transaction_isolation" | "tx_isolation" | "transaction_read_only" | "tx_read_only" => {
                return Some(Source::Server(format!("@@session.{}", variables::physical(name, mariadb))));
            }
            name if name.starts_with(preferences::PREFIX) => {
                Function::Preference(preferences::registered(name).ok()?.name)
            }
            // Without a scope, because some variables are global only.
            name => return plain(name).then(|| Source::Server(format!("@@{name}"))),
        },
        Fact::GlobalVariable(name) => return plain(name).then(|| Source::Server(format!("@@global.{name}"))),
        Fact::Function(name) => match name.as_str() {
            "last_insert_id" => Function::LastInsertId,
            "row_count" => Function::RowCount,
            "found_rows" => Function::FoundRows,
            "database" | "schema" => Function::Keyspace,
            "connection_id" => Function::ConnectionId,
            "user" | "current_user" | "session_user" | "system_user" => Function::User,
            "version" => return Some(Source::Server("VERSION()".into())),
            _ => return None,
        },
    };
    Some(Source::Gate(function))
}

/// A variable's name that needs no quotes.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
