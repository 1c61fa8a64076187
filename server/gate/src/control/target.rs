//! USE: a session changes its target.

use std::sync::Arc;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::use_target;
use vitrail_sql::normalise::Normalised;

use crate::failure;
use crate::request::Scope;
use crate::session::Session;

/// Runs USE. Inside a transaction only the keyspace may change.
pub(super) fn run(scope: &Scope<'_>, session: &mut Session, statement: &Normalised) -> Result<ResultEnd, ErrorBody> {
    let target = use_target::parse(statement)?;
    if session.in_transaction() && (target.shard.is_some() || target.tablet_type != session.now.target.tablet_type) {
        return Err(failure::unsupported(
            "USE of a shard or tablet type is not supported inside a transaction; commit or roll back first",
        ));
    }
    scope.gate.check_target(&target, &scope.permit)?;
    crate::gate::check_tablet_type(&target)?;
    session.now.target = Arc::new(target);
    Ok(ResultEnd::default())
}
