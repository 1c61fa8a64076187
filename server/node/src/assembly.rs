//! From configuration to components: a service per shard, and the cluster over them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vitrail_client::ClientConfig;
use vitrail_client::connection::ConnectOptions;
use vitrail_gate::{Cluster, Shard};
use vitrail_planner::key_range::KeyRange;
use vitrail_planner::vschema;
use vitrail_service::QueryService;
use vitrail_service::remote::{RemoteConfig, RemoteService};
use vitrail_tablet::{Tablet, TabletConfig};

use crate::config::{Config, KeyspaceConfig, ShardConfig};
use crate::error::StartError;

/// Connections to each remote tablet: one carries many calls, and a second core can serve another.
const TABLET_CONNECTIONS: usize = 2;
/// How often a remote tablet is asked for its health.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);

/// A shard and what serves it.
pub(crate) struct Served {
    pub(crate) keyspace: String,
    pub(crate) shard: String,
    pub(crate) service: Arc<dyn QueryService>,
    /// The tablet, where it lives in this process.
    pub(crate) tablet: Option<Arc<Tablet>>,
}

/// Starts a service for every shard of the configuration.
pub(crate) async fn services(config: &Config) -> Result<Vec<Served>, StartError> {
    let mut all = Vec::new();
    for (keyspace, keyspace_config) in &config.keyspaces {
        for shard in &keyspace_config.shards {
            all.push(service(config, keyspace, shard).await?);
        }
    }
    Ok(all)
}

async fn service(config: &Config, keyspace: &str, shard: &ShardConfig) -> Result<Served, StartError> {
    let problem = |problem: String| StartError::Shard { keyspace: keyspace.into(), shard: shard.name.clone(), problem };
    let (service, tablet): (Arc<dyn QueryService>, _) = match &shard.tablet {
        Some(url) => (Arc::new(remote(keyspace, shard, url).map_err(problem)?), None),
        None => {
            let config = TabletConfig {
                keyspace: keyspace.to_owned(),
                shard: shard.name.clone(),
                database: shard.database.clone().unwrap_or_default(),
                mysql: shard.mysql.clone().unwrap_or_default(),
                comment: config.tablet.comment,
                pool: config.tablet.pool.clone(),
                streams: config.tablet.streams.clone(),
                pipeline: config.tablet.pipeline.clone(),
                transactions: config.tablet.transactions.clone(),
                overload: config.tablet.overload.clone(),
                hot_rows: config.tablet.hot_rows.clone(),
                limits: config.tablet.limits.clone(),
                consolidator: config.tablet.consolidator.clone(),
            };
            let tablet = Tablet::start(config).await.map_err(|error| problem(error.to_string()))?;
            (Arc::clone(&tablet) as Arc<dyn QueryService>, Some(tablet))
        }
    };
    Ok(Served { keyspace: keyspace.to_owned(), shard: shard.name.clone(), service, tablet })
}

fn remote(keyspace: &str, shard: &ShardConfig, url: &str) -> Result<RemoteService, String> {
    let mut client = ClientConfig::from_url(url).map_err(|error| error.to_string())?;
    if let Some(path) = &shard.tablet_password_file {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        client.password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    client.application = "vitrail gate".into();
    let [endpoint] = client.endpoints.as_slice() else {
        return Err("a shard has one tablet: name one host in its URL".into());
    };
    let options = ConnectOptions::from_config(&client).map_err(|error| error.to_string())?;
    Ok(RemoteService::start(RemoteConfig {
        shard: format!("{keyspace}/{}", shard.name),
        endpoint: endpoint.clone(),
        options,
        connections: TABLET_CONNECTIONS,
        health_interval: HEALTH_INTERVAL,
    }))
}

/// The cluster over the services.
pub(crate) fn cluster(config: &Config, services: &[Served]) -> Result<Cluster, StartError> {
    let mut keyspaces = Vec::new();
    for (name, keyspace) in &config.keyspaces {
        let mut shards = Vec::new();
        for served in services.iter().filter(|served| served.keyspace == *name) {
            shards.push(Shard {
                name: served.shard.as_str().into(),
                key_range: key_range(name, &served.shard)?,
                service: Arc::clone(&served.service),
            });
        }
        keyspaces.push((vschema(name, keyspace)?, shards));
    }
    Ok(Cluster::new(keyspaces)?)
}

fn vschema(name: &str, config: &KeyspaceConfig) -> Result<vschema::Keyspace, StartError> {
    let Some(path) = &config.vschema else { return Ok(vschema::Keyspace::unsharded(name)) };
    let text = read(path)?;
    vschema::Keyspace::from_json(name, &text).map_err(|error| StartError::VSchema {
        keyspace: name.to_owned(),
        path: path.clone(),
        problem: error.to_string(),
    })
}

/// `0` is the traditional name of the only shard of an unsharded keyspace.
fn key_range(keyspace: &str, shard: &str) -> Result<KeyRange, StartError> {
    if shard == "0" {
        return Ok(KeyRange::everything());
    }
    shard.parse().map_err(|error: vitrail_planner::key_range::KeyRangeError| StartError::Shard {
        keyspace: keyspace.to_owned(),
        shard: shard.to_owned(),
        problem: error.to_string(),
    })
}

pub(crate) fn read(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|source| StartError::File { path: path.to_owned(), source })
}
