//! What a process says of itself at `/metrics`.

use std::collections::HashMap;

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Name with labels → value.
    values: HashMap<String, f64>,
}

impl Metrics {
    /// Reads OpenMetrics text.
    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Metrics { values: values.collect() }
    }

    /// The sum over all labels of the metric `vitrail_NAME`. Panics if there is none: a metric that was renamed must not pass for 0.
    pub fn sum(&self, name: &str) -> u64 {
        let wanted = format!("vitrail_{name}");
        let found = self.values.iter().filter(|(key, _)| key.split('{').next() == Some(wanted.as_str()));
        let found: Vec<f64> = found.map(|(_, value)| *value).collect();
        assert!(!found.is_empty(), "there is no metric {wanted}");
        found.iter().sum::<f64>() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed() {
        let text = "# TYPE vitrail_pool_in_use gauge\nvitrail_pool_in_use{shard=\"-80\"} 2\nvitrail_pool_in_use{shard=\"80-\"} 3\nvitrail_sessions 7\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!((metrics.sum("pool_in_use"), metrics.sum("sessions")), (5, 7));
    }
}
