//! What the gate knows at one moment: the cluster, the schema of each keyspace, and what is wrong with them.

mod finding;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrail_planner::schema::{KeyspaceSchema, Schemas};
use vitrail_planner::vschema;
use vitrail_proto::error::ErrorBody;

pub use self::finding::{Finding, Level};
use crate::access::Permit;
use crate::cluster::{Cluster, Keyspace};
use crate::failure;

/// One consistent state; requests keep theirs while a newer one takes its place.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) cluster: Arc<Cluster>,
    /// As the first shard of each keyspace told them. A keyspace whose schema could not be loaded is missing.
    pub(crate) schemas: Schemas,
    /// What an operator should look at, by keyspace.
    pub(crate) findings: BTreeMap<Arc<str>, Vec<Finding>>,
    /// Grows with every change: plans of another version are not used.
    pub(crate) version: u64,
    /// A sharded keyspace has views.
    pub(crate) has_views: bool,
}

/// What of the schemas is to be loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// All tables of these keyspaces.
    Keyspaces(&'a [Arc<str>]),
    /// Some tables of one keyspace.
    Tables(&'a Arc<str>, &'a [String]),
}

impl View {
    /// The keyspace of a name, for a user who sees some only.
    pub(crate) fn keyspace(&self, name: &str, permit: &Permit) -> Result<&Keyspace, ErrorBody> {
        if !permit.sees_keyspace(name) {
            return Err(permit.no_keyspace(name));
        }
        let seen =
            || self.cluster.keyspaces().map(|keyspace| &*keyspace.name).filter(|known| permit.sees_keyspace(known));
        self.cluster.keyspace(name).map_err(|_| failure::unknown_keyspace(name, seen()))
    }

    /// The next view: `cluster`, with what is `wanted` loaded anew and the rest kept.
    pub(crate) async fn load(&self, cluster: Arc<Cluster>, wanted: Wanted<'_>, caller: &Arc<str>) -> View {
        let mut next = View {
            cluster,
            schemas: self.schemas.clone(),
            findings: self.findings.clone(),
            version: self.version + 1,
            has_views: false,
        };
        let known = Arc::clone(&next.cluster);
        next.schemas.retain(|name, _| known.keyspace(name).is_ok());
        next.findings.retain(|name, _| known.keyspace(name).is_ok());
        match wanted {
            // Of a keyspace that is not known yet, some tables are not enough.
            Wanted::Tables(name, tables) if next.schemas.contains_key(name) => {
                if let Ok(keyspace) = known.keyspace(name) {
                    next.take_tables(keyspace, tables, load::load(keyspace, tables, caller).await);
                }
            }
            Wanted::Tables(name, _) => next.load_keyspaces(std::slice::from_ref(name), caller).await,
            Wanted::Keyspaces(names) => next.load_keyspaces(names, caller).await,
        }
        next.check_vschema();
        let with_views = |(name, schema): (&Arc<str>, &Arc<KeyspaceSchema>)| {
            schema.views().next().is_some() && known.keyspace(name).is_ok_and(|keyspace| keyspace.sharded)
        };
        next.has_views = next.schemas.iter().any(with_views);
        next
    }

    /// All findings.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values().flatten()
    }

    async fn load_keyspaces(&mut self, names: &[Arc<str>], caller: &Arc<str>) {
        let cluster = Arc::clone(&self.cluster);
        let chosen: Vec<&Keyspace> = cluster.keyspaces().filter(|keyspace| names.contains(&keyspace.name)).collect();
        let loaded =
            futures_util::future::join_all(chosen.iter().map(|keyspace| load::load(keyspace, &[], caller))).await;
        for (keyspace, loaded) in chosen.into_iter().zip(loaded) {
            self.findings.insert(Arc::clone(&keyspace.name), loaded.findings);
            if let Some(schema) = loaded.schema {
                self.schemas.insert(Arc::clone(&keyspace.name), schema);
            }
        }
    }

    fn take_tables(&mut self, keyspace: &Keyspace, tables: &[String], loaded: load::Loaded) {
        let findings = self.findings.entry(Arc::clone(&keyspace.name)).or_default();
        findings
            .retain(|finding| !finding.is_unreachable() && !tables.iter().any(|table| finding.table() == Some(table)));
        findings.extend(loaded.findings);
        if let (Some(found), Some(known)) = (loaded.schema, self.schemas.get_mut(&keyspace.name)) {
            let changed = tables.iter().map(|name| (name.clone(), found.table(name).cloned()));
            *known = Arc::new(known.with(changed));
        }
    }

    /// Holds the vschema against what is known now.
    fn check_vschema(&mut self) {
        for findings in self.findings.values_mut() {
            findings.retain(|finding| !matches!(finding, Finding::VSchema { .. }));
        }
        for vschema::Finding { severity, keyspace, table, message } in
            vschema::validate(self.cluster.vschema(), &self.schemas)
        {
            let level = match severity {
                vschema::Severity::Error => Level::Error,
                vschema::Severity::Warning => Level::Warning,
            };
            let finding = Finding::VSchema { keyspace: keyspace.to_string(), table: table.to_string(), level, message };
            self.findings.entry(keyspace).or_default().push(finding);
        }
    }
}
