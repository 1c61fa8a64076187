//! The gate's figures of statements as metrics: of a number of series that configuration decides about, not clients.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use vitrail_gate::{BOUNDS_US, Gate, QueryFigures, QueryOrder, Took};

/// A value of a fingerprint's figures.
type Read = fn(&QueryFigures) -> f64;

/// Totals by kind and tier, failures by code, and the `top` fingerprints that took the most time.
pub(crate) fn encode(gate: &Gate, top: usize, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let totals = gate.totals();
    let help = "How long statements took at the gate, by kind and by where they ran.";
    let mut family = encoder.encode_descriptor("gate_statement_seconds", help, None, MetricType::Histogram)?;
    for took in &totals.took {
        let labels = [("kind", took.kind()), ("plan", took.tier())];
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            seconds(took.sum_us),
            took.count(),
            &buckets(took),
            None,
        )?;
    }
    let mut family = encoder.encode_descriptor(
        "gate_statement_errors",
        "Statements that failed, by code.",
        None,
        MetricType::Counter,
    )?;
    for (code, count) in &totals.errors {
        ConstCounter::new(*count).encode(family.encode_family(&[("code", code.as_str())])?)?;
    }
    for (name, help, value) in [
        ("gate_rows", "Rows handed to clients.", totals.rows as f64),
        ("gate_row_bytes", "Bytes of rows handed to clients.", totals.bytes as f64),
        ("gate_shared_statements", "Statements answered by another one's execution.", totals.shared as f64),
        ("gate_wait_seconds", "Time that statements waited for MySQL connections.", seconds(totals.wait_us)),
        ("gate_mysql_seconds", "Time in MySQL, over all shards.", seconds(totals.mysql_us)),
        ("gate_log_records_dropped", "Statements that the log had no room for.", gate.dropped_records() as f64),
    ] {
        let counter = ConstCounter::new(value);
        counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    let known = ConstGauge::new(gate.known_queries() as u64);
    let help = "Fingerprints that figures are kept of.";
    known.encode(encoder.encode_descriptor("gate_fingerprints", help, None, MetricType::Gauge)?)?;
    let queries = if top == 0 { Vec::new() } else { gate.queries(QueryOrder::Total, top) };
    let series: [(&str, &str, Read); 5] = [
        ("query_calls", "Statements of the fingerprint.", |query| query.calls as f64),
        ("query_errors", "Those that failed.", |query| query.errors as f64),
        ("query_rows", "Rows that they handed to clients.", |query| query.rows as f64),
        ("query_seconds", "Time that they took.", |query| seconds(query.total_us)),
        ("query_mysql_seconds", "Time that they took in MySQL.", |query| seconds(query.mysql_us)),
    ];
    for (name, help, read) in series {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        // One series for a fingerprint, in whatever keyspaces it runs.
        let mut sums: Vec<(u64, f64)> = Vec::with_capacity(queries.len());
        for query in &queries {
            let Some(fingerprint) = query.fingerprint else { continue };
            match sums.iter_mut().find(|(known, _)| *known == fingerprint) {
                Some((_, sum)) => *sum += read(query),
                None => sums.push((fingerprint, read(query))),
            }
        }
        for (fingerprint, value) in sums {
            let labels = [("fingerprint", format!("{fingerprint:016x}"))];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn buckets(took: &Took) -> Vec<(f64, u64)> {
    let bounds = BOUNDS_US.into_iter().map(seconds).chain([f64::MAX]);
    bounds.zip(took.buckets).collect()
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
