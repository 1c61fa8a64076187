//! SELECTs of what only the gate knows: `LAST_INSERT_ID()`, `DATABASE()`, `@@autocommit` and their like.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;

use crate::answer::Answer;
use crate::columns::{self, Own};
use crate::merge::row::Packer;
use crate::request::Scope;
use crate::session::Session;
use crate::words::{Token, Words};

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
    /// Reads `SELECT f() [AS a], … [LIMIT 1]`; `None` if anything else is in it.
    pub(crate) fn parse(body: &str) -> Option<OwnSelect> {
        // Most statements are longer, and are not looked into.
        if body.len() > 512 {
            return None;
        }
        let mut words = Words::new(body).ok()?;
        if !words.take(&["SELECT"]) {
            return None;
        }
        let mut items = Vec::new();
        loop {
            let before = words.rest();
            let function = function(&mut words)?;
            let written = before[..before.len() - words.rest().len()].trim_end().trim_end_matches(',').trim_end();
            let aliased = words.take(&["AS"]);
            let name = match words.peek() {
                Some(Token::Word(word))
                    if !aliased && ["from", "limit", "where"].iter().any(|end| word.eq_ignore_ascii_case(end)) =>
                {
                    None
                }
                Some(Token::Word(_) | Token::Name(_)) => Some(words.name().ok()?.into_owned()),
                Some(Token::Text(_)) => Some(crate::words::plain_text(words.text()?)?),
                _ => None,
            };
            items.push((function, name.unwrap_or_else(|| written.to_owned())));
            if !words.take_symbol(',') {
                break;
            }
        }
        if words.take(&["LIMIT"]) && words.next() != Some(Token::Number("1")) {
            return None;
        }
        words.is_done().then_some(OwnSelect { items })
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

fn function(words: &mut Words<'_>) -> Option<Function> {
    let function = match words.next()? {
        Token::Variable(name) => {
            let name = name.to_ascii_lowercase();
            return match name.strip_prefix("@@")?.trim_start_matches("session.").trim_start_matches("local.") {
                "autocommit" => Some(Function::Autocommit),
                "last_insert_id" | "identity" => Some(Function::LastInsertId),
                _ => None,
            };
        }
        Token::Word(word) => match word.to_ascii_lowercase().as_str() {
            "last_insert_id" => Function::LastInsertId,
            "database" | "schema" => Function::Keyspace,
            "connection_id" => Function::ConnectionId,
            "user" | "current_user" | "session_user" | "system_user" => Function::User,
            _ => return None,
        },
        _ => return None,
    };
    (words.take_symbol('(') && words.take_symbol(')')).then_some(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_selects_of_own_functions() {
        let items = |text: &str| OwnSelect::parse(text).map(|select| select.items);
        assert_eq!(items("select last_insert_id()"), Some(vec![(Function::LastInsertId, "last_insert_id()".into())]));
        assert_eq!(
            items("SELECT DATABASE() AS db, @@session.autocommit LIMIT 1"),
            Some(vec![(Function::Keyspace, "db".into()), (Function::Autocommit, "@@session.autocommit".into())])
        );
        for other in [
            "SELECT 1",
            "SELECT LAST_INSERT_ID(5)",
            "SELECT DATABASE() FROM t",
            "SELECT DATABASE(), x",
            "SELECT @@version",
            "SELECT DATABASE() LIMIT 0",
        ] {
            assert_eq!(items(other), None, "{other}");
        }
    }
}
