//! From a normalised statement to a plan, or to a refusal that names the reason.

use std::sync::Arc;

use vitrail_sql::normalise::Normalised;

use crate::plan::{MergePlan, Plan, Route};
use crate::refusal::Refusal;
use crate::schema::Schemas;
use crate::vschema::VSchema;

/// What a plan depends on besides the statement.
#[derive(Debug, Clone, Copy)]
pub struct PlanContext<'a> {
    /// All keyspaces.
    pub vschema: &'a VSchema,
    /// What MySQL says of the tables, where it is known. Without it less can be proved.
    pub schemas: &'a Schemas,
    /// The default keyspace.
    pub keyspace: Option<&'a str>,
    /// An explicit shard of the default keyspace, by name.
    pub shard: Option<&'a str>,
}

/// Plans a statement. The plan holds for every statement with the same key, under the same context.
pub fn plan(statement: &Normalised, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
    let _ = statement;
    match (context.keyspace, context.shard) {
        (Some(keyspace), Some(shard)) => Ok(Plan {
            keyspace: keyspace.into(),
            route: Route::Named(Arc::from(shard)),
            merge: MergePlan::Pass,
            edits: Vec::new(),
            writes: true,
        }),
        _ => Err(Refusal::unsupported("no-shard", "name a shard in the target")),
    }
}
