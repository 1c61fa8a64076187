//! Who may do what: the grants of each user, and the decision over what a statement needs.
//!
//! Decided here and nowhere else, per execution: plans are shared by all users and know their needs, users come and go while
//! sessions last. Tablets hear gates only.

mod audit;
mod permit;

use std::collections::HashMap;
use std::sync::Arc;

use vitrail_planner::access::Needs;
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_sql::normalise::{Normalised, StatementKind};

pub(crate) use audit::Audit;
pub(crate) use permit::role;
pub use permit::{Grant, Permit};
pub use vitrail_planner::access::Right;

use crate::request::Scope;

/// All users of a gate with their grants. Immutable: changed users are another one, see [`crate::Gate::set_access`].
#[derive(Debug, Clone)]
pub struct Access {
    by_user: HashMap<Arc<str>, Arc<Permit>>,
    /// What users have that are not listed; `None`: they are unknown.
    others: Option<Arc<Permit>>,
}

impl Access {
    /// These users, and nobody else.
    pub fn of(users: impl IntoIterator<Item = (Arc<str>, Vec<Grant>)>) -> Access {
        let permits = users.into_iter().map(|(user, grants)| (Arc::clone(&user), Arc::new(Permit::new(user, grants))));
        Access { by_user: permits.collect(), others: None }
    }

    /// Everybody may do everything.
    pub fn unrestricted() -> Access {
        let everything = Permit::new("anybody".into(), vec![Grant::everything(Right::Admin)]);
        Access { by_user: HashMap::new(), others: Some(Arc::new(everything)) }
    }

    /// What a user may do.
    ///
    /// # Errors
    ///
    /// `unauthenticated` (1045) if there is no such user: it was removed.
    pub fn permit(&self, user: &str) -> Result<Arc<Permit>, ErrorBody> {
        self.by_user.get(user).or(self.others.as_ref()).map(Arc::clone).ok_or_else(|| {
            let message = format!("access denied for user '{user}': there is no such user any more");
            ErrorBody::new(Code::Unauthenticated, message)
        })
    }
}

/// Checks a statement that has no plan: of the session, about tables, or a definition. A plan is checked by what it needs.
pub(crate) fn check(scope: &Scope<'_>, statement: &Normalised) -> Result<(), ErrorBody> {
    match statement.kind {
        // Planned, or explained by a plan.
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Replace
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Explain => Ok(()),
        StatementKind::Begin
        | StatementKind::Commit
        | StatementKind::Rollback
        | StatementKind::Savepoint
        | StatementKind::Use
        | StatementKind::Empty => Ok(()),
        _ if scope.permit.is_unlimited() => Ok(()),
        _ => allow(scope, &Needs::of(statement), scope.target.keyspace.as_deref()),
    }
}

/// Lets a statement with these needs pass that goes to `keyspace`, or says what its user lacks.
pub(crate) fn allow(scope: &Scope<'_>, needs: &Needs, keyspace: Option<&str>) -> Result<(), ErrorBody> {
    scope.permit.allow(needs, keyspace).inspect_err(|error| {
        scope.gate.audit.denied(&scope.gate.counters, scope.permit.user(), scope.connection_id, &error.message);
    })
}
