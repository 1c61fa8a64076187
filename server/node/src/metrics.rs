//! The counters of every component, as OpenMetrics text.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use vitrail_gate::Gate;
use vitrail_listener::listener::Handle;
use vitrail_service::QueryService;
use vitrail_tablet::Tablet;

use crate::assembly::Served;
use crate::query_metrics;
use crate::reload::Reloads;
use crate::resources::Resources;
use crate::scratch::ScratchServer;

/// What the endpoints report.
pub struct Metrics {
    registry: Registry,
    /// Without our prefix: these names are everybody's.
    process: Registry,
    shards: Vec<(String, Arc<dyn QueryService>)>,
    reloads: Arc<Reloads>,
}

impl Metrics {
    /// Metrics over the components of a process, with series for so many fingerprints.
    pub(crate) fn new(
        listener: Handle,
        gate: Option<Arc<Gate>>,
        scratch: Option<Arc<ScratchServer>>,
        top: usize,
        services: &[Served],
        reloads: Arc<Reloads>,
    ) -> Metrics {
        let mut registry = Registry::with_prefix("vitrail");
        let tablets = services.iter().filter_map(|served| {
            let tablet = served.tablet.clone()?;
            Some(([("keyspace", served.keyspace.clone()), ("shard", served.shard.clone())], tablet))
        });
        registry.register_collector(Box::new(Snapshot {
            listener,
            gate,
            scratch,
            top,
            reloads: Arc::clone(&reloads),
            tablets: tablets.collect(),
        }));
        let mut process = Registry::default();
        process.register_collector(Box::new(Resources));
        let shards = services.iter();
        let shards =
            shards.map(|served| (format!("{}/{}", served.keyspace, served.shard), Arc::clone(&served.service)));
        Metrics { registry, process, shards: shards.collect(), reloads }
    }

    /// As text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let mut encode = || {
            encode_registry(&mut text, &self.process)?;
            encode_registry(&mut text, &self.registry)?;
            encode_eof(&mut text)
        };
        encode().expect("writing to a String cannot fail");
        text
    }

    /// The process runs with an older configuration than its file, because the file cannot be used.
    pub fn is_outdated(&self) -> bool {
        self.reloads.last_failed()
    }

    /// Shards without contact to their MySQL.
    pub fn unhealthy(&self) -> Vec<&str> {
        self.shards.iter().filter(|(_, service)| !service.info().healthy).map(|(name, _)| name.as_str()).collect()
    }
}

type ShardLabels = [(&'static str, String); 2];

struct Snapshot {
    listener: Handle,
    gate: Option<Arc<Gate>>,
    scratch: Option<Arc<ScratchServer>>,
    reloads: Arc<Reloads>,
    /// Fingerprints with series of their own.
    top: usize,
    tablets: Vec<(ShardLabels, Arc<Tablet>)>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("tablets", &self.tablets.len()).finish_non_exhaustive()
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut scalars = Scalars { encoder: &mut encoder };
        let listener = self.listener.stats();
        scalars.gauge("connections", "Open connections.", listener.connections)?;
        scalars.gauge("sessions", "Open sessions.", listener.sessions)?;
        scalars.gauge("requests_in_flight", "Requests without an answer yet.", listener.in_flight)?;
        scalars.gauge("request_memory_bytes", "Bytes of requests in memory.", listener.request_memory)?;
        scalars.counter("connections_accepted", "Connections accepted.", listener.accepted)?;
        scalars.counter(
            "connections_refused",
            "Connections refused for want of room or while draining.",
            listener.refused,
        )?;
        scalars.counter(
            "authentication_failures",
            "Connections that failed to authenticate.",
            listener.unauthorised,
        )?;
        scalars.counter(
            "logins_throttled",
            "Logins that were not looked at because their address had to pause.",
            listener.throttled,
        )?;
        let (reloads, failed_reloads) = self.reloads.figures();
        scalars.counter("reloads", "Reloads of the configuration.", reloads)?;
        scalars.counter(
            "reload_failures",
            "Reloads that changed nothing, because the file cannot be used.",
            failed_reloads,
        )?;
        scalars.gauge(
            "unauthenticated_connections",
            "Open connections that have not logged in.",
            listener.unauthenticated,
        )?;
        scalars.counter(
            "protocol_violations",
            "Connections closed because the peer broke the protocol.",
            listener.violations,
        )?;
        scalars.counter(
            "connections_stalled",
            "Connections closed because their socket took nothing.",
            listener.stalled,
        )?;
        scalars.counter("requests", "Requests received.", listener.requests)?;
        scalars.counter("request_errors", "Requests answered by an error.", listener.errors)?;
        scalars.counter("received_bytes", "Bytes received.", listener.received)?;
        scalars.counter("sent_bytes", "Bytes sent.", listener.sent)?;
        if let Some(gate) = &self.gate {
            let gate = gate.stats();
            scalars.counter("gate_statements", "Statements begun.", gate.statements)?;
            scalars.counter("gate_errors", "Statements that failed.", gate.errors)?;
            scalars.counter("gate_scatters", "Statements that went to more than one shard.", gate.scatters)?;
            scalars.counter("gate_commits", "Transactions committed.", gate.commits)?;
            scalars.counter("gate_rollbacks", "Transactions rolled back on request.", gate.rollbacks)?;
            scalars.counter("gate_lost_transactions", "Transactions lost.", gate.lost_transactions)?;
            scalars.counter("gate_denied", "Statements that their user may not run.", gate.denied)?;
            scalars.gauge(
                "gate_sessions",
                "Sessions, with the stateless requests that run.",
                gate.open_sessions as u64,
            )?;
            scalars.gauge(
                "gate_pinned_sessions",
                "Sessions pinned to a MySQL connection.",
                gate.pinned_sessions as u64,
            )?;
            scalars.counter("gate_pins", "MySQL connections that sessions were pinned to.", gate.pins)?;
            scalars.counter("gate_kills", "Sessions and statements killed by KILL.", gate.kills)?;
            scalars.counter("gate_plan_hits", "Statements whose plan was in the cache.", gate.plan_hits)?;
            scalars.counter("gate_plan_misses", "Statements planned anew.", gate.plan_misses)?;
            scalars.gauge("gate_plans", "Plans in the cache.", gate.cached_plans as u64)?;
            scalars.gauge(
                "gate_plan_bytes",
                "Size of the plan cache, with texts that are read once.",
                gate.cached_plan_bytes as u64,
            )?;
        }
        if let Some(scratch) = &self.scratch {
            let scratch = scratch.stats();
            scalars.gauge("scratch_running", "The scratch server runs (1) or does not (0).", scratch.running.into())?;
            scalars.counter("scratch_starts", "Starts of the scratch server.", scratch.starts)?;
            scalars.counter(
                "scratch_start_failures",
                "Starts of the scratch server that failed.",
                scratch.failed_starts,
            )?;
            scalars.gauge(
                "scratch_reservations",
                "Connections to the scratch server that statements hold.",
                scratch.reserved,
            )?;
        }
        if let Some(gate) = &self.gate {
            query_metrics::encode(gate, self.top, &mut encoder)?;
        }
        self.encode_tablets(&mut encoder)
    }
}

/// A value of a tablet's statistics.
type Read = fn(&vitrail_tablet::Stats) -> u64;

impl Snapshot {
    fn encode_tablets(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let stats: Vec<_> = self.tablets.iter().map(|(labels, tablet)| (labels, tablet.stats())).collect();
        let gauges: &[(&str, &str, Read)] = &[
            ("pool_in_use", "MySQL connections in use for autocommit statements.", |s| s.pool.in_use as u64),
            ("pool_idle", "Idle MySQL connections for autocommit statements.", |s| s.pool.idle as u64),
            ("pool_waiting", "Calls that wait for such a connection.", |s| s.pool.waiting as u64),
            ("pool_streams", "MySQL connections that send long results.", |s| s.pool.streams as u64),
            ("pool_delay_ms", "How long the call waits that has waited longest for such a connection.", |s| {
                s.pool.delay.as_millis() as u64
            }),
            ("transaction_pool_in_use", "MySQL connections held by transactions and reservations.", |s| {
                s.held_pool.in_use as u64
            }),
            ("transaction_pool_waiting", "Calls that wait to begin.", |s| s.held_pool.waiting as u64),
            ("transaction_pool_delay_ms", "How long the call waits that has waited longest to begin.", |s| {
                s.held_pool.delay.as_millis() as u64
            }),
            ("hot_row_waiting", "Statements that wait in line for a row.", |s| s.hot_rows.waiting as u64),
            ("transactions_open", "Transactions open.", |s| s.transactions_open as u64),
            ("reservations", "MySQL connections reserved for pinned sessions.", |s| s.reserved as u64),
            ("consolidator_waiting", "Requests that share the execution of another one.", |s| {
                s.consolidator.waiting as u64
            }),
            ("consolidator_bytes", "Bytes of answers that may be shared.", |s| s.consolidator.bytes as u64),
        ];
        let counters: &[(&str, &str, Read)] = &[
            ("tablet_statements", "Statements sent to MySQL.", |s| s.statements),
            ("tablet_rows", "Rows handed on.", |s| s.rows),
            ("tablet_row_bytes", "Bytes of rows handed on.", |s| s.bytes),
            ("tablet_killed", "Statements killed.", |s| s.killed),
            ("tablet_capped", "Results cut at a row limit.", |s| s.capped),
            ("tablet_lost_transactions", "Transactions lost.", |s| s.transactions_lost),
            ("tablet_lost_reservations", "Reservations lost.", |s| s.reservations_lost),
            ("pool_waited", "Calls that had to wait for a connection.", |s| s.pool.waited_total),
            ("pool_boarded", "Calls of them whose statements went behind others, on one connection.", |s| {
                s.pool.boarded_total
            }),
            ("pool_shed", "Calls refused because others waited for too long.", |s| s.pool.shed_total),
            ("pool_overflowed", "Calls refused because too many waited.", |s| s.pool.overflowed_total),
            ("hot_row_waited", "Statements that had to wait in line for a row.", |s| s.hot_rows.waited_total),
            ("hot_row_refused", "Statements refused in such a line.", |s| s.hot_rows.refused_total),
            ("transaction_pool_waited", "Calls that had to wait to begin.", |s| s.held_pool.waited_total),
            ("transaction_pool_shed", "Calls refused because others waited too long to begin.", |s| {
                s.held_pool.shed_total
            }),
            ("transaction_pool_overflowed", "Calls refused because too many waited to begin.", |s| {
                s.held_pool.overflowed_total
            }),
            ("consolidator_shared", "Executions that several requests shared.", |s| s.consolidator.shared),
            ("consolidator_saved", "Statements answered by the execution of another one.", |s| s.consolidator.saved),
            ("consolidator_refused", "Requests refused because too many shared already.", |s| s.consolidator.refused),
            ("consolidator_cut_off", "Requests that were slower than others and went on by themselves.", |s| {
                s.consolidator.cut_off
            }),
        ];
        for (name, help, read) in gauges {
            let first = ConstGauge::new(0u64);
            let mut family = encoder.encode_descriptor(name, help, None, first.metric_type())?;
            for (labels, stats) in &stats {
                ConstGauge::new(read(stats)).encode(family.encode_family(*labels)?)?;
            }
        }
        for (name, help, read) in counters {
            let first = ConstCounter::new(0u64);
            let mut family = encoder.encode_descriptor(name, help, None, first.metric_type())?;
            for (labels, stats) in &stats {
                ConstCounter::new(read(stats)).encode(family.encode_family(*labels)?)?;
            }
        }
        let first = ConstCounter::new(0u64);
        let mut family =
            encoder.encode_descriptor("tablet_errors", "Failed calls by code.", None, first.metric_type())?;
        for (labels, stats) in &stats {
            for (code, count) in &stats.errors {
                let [keyspace, shard] = (*labels).clone();
                let labels = [keyspace, shard, ("code", code.as_str().to_owned())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

struct Scalars<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
}

impl Scalars<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> std::fmt::Result {
        let metric = ConstGauge::new(value);
        metric.encode(self.encoder.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> std::fmt::Result {
        let metric = ConstCounter::new(value);
        metric.encode(self.encoder.encode_descriptor(name, help, None, metric.metric_type())?)
    }
}
