//! What a write does on the scratch server besides running: its table is looked at before and after, and gets rows that the statement meets.

use std::pin::pin;
use std::sync::Arc;

use vitrail_planner::plan::Fragment;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::value::Binds;
use vitrail_service::call::Statement;
use vitrail_service::execution::Part;

use super::definition::{Body, KeyPart};
use super::server::of_scratch;
use super::stage::Stage;
use crate::failure;
use crate::reading::Sink;
use crate::steps::rows::Rows;

impl Stage<'_> {
    /// The name of the table that is written.
    pub(crate) fn written(&self) -> Result<String, ErrorBody> {
        self.fragment().map(Fragment::qualified)
    }

    /// Its unique keys.
    ///
    /// # Errors
    /// One of them is over expressions: which rows meet by it is not known.
    pub(crate) async fn unique_keys(&self) -> Result<Vec<Vec<KeyPart>>, ErrorBody> {
        let keys = self.body().await?.unique_keys();
        keys.ok_or_else(|| {
            failure::unsupported(
                "this write runs on the scratch server, over the rows that its new ones meet; that is not supported for a table with a unique key \
                 over expressions",
            )
        })
    }

    /// Empties the table, so that nothing keeps a row from being in it.
    pub(crate) async fn open(&mut self) -> Result<(), ErrorBody> {
        let body = self.body().await?.open();
        self.create(&body).await
    }

    /// Empties it, and makes it as it is on the shards.
    pub(crate) async fn close(&mut self) -> Result<(), ErrorBody> {
        let body = self.body().await?.whole();
        self.create(&body).await
    }

    async fn create(&mut self, body: &str) -> Result<(), ErrorBody> {
        let fragment = self.fragment()?.clone();
        self.connection.run(format!("DROP TEMPORARY TABLE {}", fragment.qualified())).await?;
        self.connection.create(&fragment, body).await
    }

    /// Reads rows there, under the settings in which they are stored.
    pub(crate) async fn rows(&mut self, sql: String) -> Result<Rows, ErrorBody> {
        let mut rows = Rows::of(&self.fragment()?.keyspace);
        let (mut lane, calls) = self.connection.start_plain(Statement::new(sql, false)).await?;
        while let Some(part) = calls.guard(pin!(lane.next())).await.map_err(of_scratch)? {
            match part {
                Part::Fields(packed) => rows.fields(&packed)?,
                Part::Rows(batch) => rows.rows(batch).await?,
                Part::End(_) => {}
            }
        }
        Ok(rows)
    }

    /// Puts rows into the table, as they are.
    pub(crate) async fn put(&mut self, sql: String, binds: Arc<Binds>, bytes: u64) -> Result<(), ErrorBody> {
        let fragment = self.fragment()?.clone();
        self.budget.take(bytes, &fragment.table)?;
        let statement = Statement { binds, ..Statement::new(sql, true) };
        let (mut lane, calls) = self.connection.start_plain(statement).await?;
        let end = calls.guard(pin!(lane.finish())).await.map_err(of_scratch)?;
        if end.warnings > 0 { Err(failure::outdated(&fragment.keyspace)) } else { Ok(()) }
    }

    fn fragment(&self) -> Result<&Fragment, ErrorBody> {
        self.exact.fragments().first().ok_or_else(|| failure::internal("a write of no table"))
    }

    async fn body(&self) -> Result<Arc<Body>, ErrorBody> {
        let fragment = self.fragment()?;
        let view = &self.exacting.scope.view;
        let keyspace = view.cluster.keyspace(&fragment.keyspace)?;
        self.scratch.definitions.body(keyspace, &fragment.table, view.version, self.reading()).await
    }
}
