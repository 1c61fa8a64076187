//! SELECTs of what only the gate knows: `LAST_INSERT_ID()`, `DATABASE()`, `@@autocommit` and their like.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::select::{self, Fact};
use vitrail_sql::normalise::Normalised;

use crate::answer::Answer;
use crate::columns::{self, Own};
use crate::merge::row::Packer;
use crate::request::Scope;
use crate::session::Session;

/// A SELECT list of the gate's own functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnSelect {
    items: Vec<(Function, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    LastInsertId,
    Keyspace,
    ConnectionId,
    User,
    Autocommit,
}

impl OwnSelect {
    /// Reads a SELECT list; `None` if anything else is in it.
    pub(crate) fn of(statement: &Normalised) -> Option<OwnSelect> {
        let items = select::parse(statement)?.into_iter();
        let items: Option<Vec<_>> = items.map(|item| Some((function(&item.fact)?, item.title.into_owned()))).collect();
        items.map(|items| OwnSelect { items })
    }

    /// Puts the one row into `answer`.
    pub(crate) async fn run(
        &self,
        scope: &Scope<'_>,
        session: &Session,
        answer: &mut Answer<'_>,
    ) -> Result<ResultEnd, ErrorBody> {
        let columns: Vec<Own<'_>> = self.items.iter().map(|(function, name)| function.column(name)).collect();
        answer.fields(columns::pack(&columns)).await?;
        let mut packer = Packer::default();
        packer.push_cells(self.items.iter().map(|(function, _)| function.value(scope, session)));
        let Some(batch) = packer.take() else { return Ok(ResultEnd::default()) };
        answer.rows(batch).await?;
        Ok(ResultEnd { rows: 1, ..ResultEnd::default() })
    }
}

impl Function {
    fn column(self, name: &str) -> Own<'_> {
        match self {
            Function::LastInsertId | Function::ConnectionId => Own::Unsigned(name),
            Function::Autocommit => Own::Integer(name),
            Function::Keyspace | Function::User => Own::Text(name),
        }
    }

    fn value(self, scope: &Scope<'_>, session: &Session) -> Option<String> {
        match self {
            Function::LastInsertId => Some(session.last_insert_id.to_string()),
            Function::Keyspace => scope.target.keyspace.clone(),
            Function::ConnectionId => Some(scope.connection_id.to_string()),
            Function::User => Some(format!("{}@%", session.user)),
            Function::Autocommit => Some(u8::from(session.now.autocommit).to_string()),
        }
    }
}

fn function(fact: &Fact) -> Option<Function> {
    Some(match fact {
        Fact::SessionVariable(name) => match name.as_str() {
            "autocommit" => Function::Autocommit,
            "last_insert_id" | "identity" => Function::LastInsertId,
            _ => return None,
        },
        Fact::Function(name) => match name.as_str() {
            "last_insert_id" => Function::LastInsertId,
            "database" | "schema" => Function::Keyspace,
            "connection_id" => Function::ConnectionId,
            "user" | "current_user" | "session_user" | "system_user" => Function::User,
            _ => return None,
        },
        Fact::GlobalVariable(_) => return None,
    })
}
