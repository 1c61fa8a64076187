//! Reports of what slots have shown.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    Comparison, ErrorReport, OperationReport, Percentiles, ProcessReport, Quantile, Round, SecondReport, TargetReport,
    ToolReport,
};
use crate::drive::{Second, Slot};
use crate::process::{Process, Usage};
use crate::record::{Errors, Record, histogram};
use crate::statistics::Ratio;

/// Errors by code, beside so many operations that worked.
pub(crate) fn errors(errors: &BTreeMap<String, Errors>, done: u64) -> BTreeMap<String, ErrorReport> {
    let tried = done + errors.values().map(|errors| errors.count).sum::<u64>();
    let report = |(code, errors): (&String, &Errors)| {
        let percent = per(errors.count as f64 * 100.0, tried as f64);
        (code.clone(), ErrorReport { count: errors.count, percent, example: errors.example.clone(), took: None })
    };
    errors.iter().map(report).collect()
}

/// Errors of all codes.
pub(crate) fn failed(errors: &BTreeMap<String, ErrorReport>) -> u64 {
    errors.values().map(|error| error.count).sum()
}

impl Percentiles {
    /// Of a histogram; `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Percentiles> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        let (p50, p99) = (at(0.5), at(0.99));
        Some(Percentiles {
            count: histogram.len(),
            p50,
            p90: at(0.9),
            p95: at(0.95),
            p99,
            p999: at(0.999),
            max: histogram.max(),
            mean: histogram.mean(),
            spread: p99 as f64 / p50.max(1) as f64,
        })
    }

    /// One of them, by the name that assertions use.
    pub fn figure(&self, name: &str) -> Option<f64> {
        Some(match name {
            "p50" => self.p50 as f64,
            "p90" => self.p90 as f64,
            "p95" => self.p95 as f64,
            "p99" => self.p99 as f64,
            "p99.9" => self.p999 as f64,
            "max" => self.max as f64,
            "mean" => self.mean,
            "spread" => self.spread,
            _ => return None,
        })
    }

    fn of_or_none(histogram: &Histogram<u64>) -> Percentiles {
        Percentiles::of(histogram).unwrap_or(Percentiles {
            count: 0,
            p50: 0,
            p90: 0,
            p95: 0,
            p99: 0,
            p999: 0,
            max: 0,
            mean: 0.0,
            spread: 0.0,
        })
    }
}

impl TargetReport {
    /// Of all slots of a target.
    pub fn of(
        name: &str,
        url: &str,
        operations: &[&str],
        processes: &[Process],
        slots: &[Slot],
        open: bool,
    ) -> TargetReport {
        let mut all = Record::new(operations.len());
        slots.iter().for_each(|slot| all.merge(&slot.record));
        let mut wakes = histogram();
        slots.iter().for_each(|slot| wakes += &slot.wakes);
        let seconds: f64 = slots.iter().map(|slot| slot.elapsed.as_secs_f64()).sum();
        let own: f64 = slots.iter().map(|slot| slot.own.cpu.as_secs_f64()).sum();
        let latency = all.latency();
        let mut failed = errors(&all.errors, all.done());
        let mut refusals = histogram();
        for (code, times) in &all.refusals {
            refusals += times;
            if let Some(error) = failed.get_mut(code) {
                error.took = Percentiles::of(times);
            }
        }
        let of_operation = |(name, times): (&&str, &crate::record::Times)| OperationReport {
            name: (*name).to_owned(),
            latency: Percentiles::of_or_none(&times.latency),
            service: open.then(|| Percentiles::of_or_none(&times.service)),
        };
        TargetReport {
            name: name.to_owned(),
            url: url.to_owned(),
            server: None,
            rate: per(all.done() as f64, seconds),
            statements: per(all.statements as f64, seconds),
            latency: Percentiles::of_or_none(&latency),
            operations: operations.iter().zip(&all.times).map(of_operation).collect(),
            errors: failed,
            retries: all.retries.clone(),
            figures: BTreeMap::new(),
            refusals: Percentiles::of(&refusals),
            late: all.late,
            missed: slots.iter().map(|slot| slot.missed).sum(),
            processes: ProcessReport::over(processes, slots),
            tool: ToolReport { cores: per(own, seconds), wakes: Percentiles::of_or_none(&wakes) },
            rounds: slots
                .iter()
                .map(|slot| Round {
                    rate: slot.rate(),
                    latency: Percentiles::of_or_none(&slot.record.latency()),
                    errors: slot.record.failed(),
                    processes: ProcessReport::over(processes, std::slice::from_ref(slot)),
                })
                .collect(),
            seconds: (1..)
                .zip(slots)
                .flat_map(|(round, slot)| slot.seconds.iter().map(move |second| SecondReport::of(round, second)))
                .collect(),
            distribution: distribution(&latency),
            wrong: Vec::new(),
        }
    }

    /// Errors of all codes.
    pub fn failed(&self) -> u64 {
        failed(&self.errors)
    }
}

/// 0 of nothing.
fn per(number: f64, of: f64) -> f64 {
    if of > 0.0 { number / of } else { 0.0 }
}

impl ProcessReport {
    /// Of processes that used this for so many seconds and statements; nothing of those that are gone.
    pub(crate) fn all(
        processes: &[Process],
        usage: &[Option<Usage>],
        seconds: f64,
        statements: u64,
    ) -> Vec<ProcessReport> {
        let report = |(process, usage): (&Process, &Option<Usage>)| {
            let usage = usage.unwrap_or_default();
            let cpu = usage.cpu.as_secs_f64();
            ProcessReport {
                name: process.name.clone(),
                cpu_per_statement: cpu * 1e6 / statements.max(1) as f64,
                cores: per(cpu, seconds),
                memory: usage.memory,
            }
        };
        processes.iter().zip(usage).map(report).collect()
    }

    /// Of some slots: CPU of all, memory at the end of the last one.
    pub(crate) fn over(processes: &[Process], slots: &[Slot]) -> Vec<ProcessReport> {
        let seconds = slots.iter().map(|slot| slot.elapsed.as_secs_f64()).sum();
        let statements = slots.iter().map(|slot| slot.record.statements).sum();
        let add = |all: Usage, more: Usage| Usage { cpu: all.cpu + more.cpu, memory: more.memory };
        let of = |index: usize| slots.iter().filter_map(|slot| slot.usage[index]).reduce(add);
        ProcessReport::all(processes, &(0..processes.len()).map(of).collect::<Vec<_>>(), seconds, statements)
    }
}

impl SecondReport {
    fn of(round: usize, second: &Second) -> SecondReport {
        let length = second.length.as_secs_f64();
        let cores = |usage: &Usage| per(usage.cpu.as_secs_f64(), length);
        SecondReport {
            round,
            at: second.at.as_secs_f64(),
            length,
            wanted: second.wanted,
            rate: second.rate(),
            p50: second.p50,
            p99: second.p99,
            max: second.max,
            late: second.late,
            errors: second.failed,
            cores: second.usage.iter().map(|usage| usage.as_ref().map(cores)).collect(),
            memory: second.usage.iter().map(|usage| usage.map(|usage| usage.memory)).collect(),
            tool: cores(&second.own),
        }
    }
}

/// Ten points for each digit nine of the quantile, as far as there are operations that tell them apart.
fn distribution(latency: &Histogram<u64>) -> Vec<Quantile> {
    let point = |quantile| Quantile { quantile, time: latency.value_at_quantile(quantile) };
    let count = latency.len() as f64;
    let mut points: Vec<Quantile> = (0..=100)
        .map(|step| 10_f64.powf(-f64::from(step) / 10.0))
        .take_while(|rest| rest * count >= 1.0)
        .map(|rest| point(1.0 - rest))
        .collect();
    if count > 0.0 {
        points.push(Quantile { quantile: 1.0, time: latency.max() });
    }
    points
}

impl Comparison {
    /// Of a target with another one. Where both were `paced` and kept the rate, only their latencies can tell them apart.
    pub fn of(target: &TargetReport, against: &TargetReport, paced: bool) -> Comparison {
        let ratio = |figure: fn(&Round) -> f64| Ratio::of(&figures(target, figure), &figures(against, figure));
        let (rate, p50) = (ratio(|round| round.rate), ratio(|round| round.latency.p50 as f64));
        let kept = rate.filter(|rate| paced && (0.99..=1.01).contains(&rate.ratio));
        let verdict = match (&rate, &p50, kept) {
            (_, Some(p50), Some(_)) => {
                format!("both kept the rate; {}", p50.verdict_of_times(&target.name, &against.name))
            }
            (Some(rate), ..) => rate.verdict(&target.name, &against.name),
            (None, ..) => format!("{} and {} cannot be compared: a round did nothing", target.name, against.name),
        };
        Comparison {
            target: target.name.clone(),
            against: against.name.clone(),
            rate,
            p50,
            p99: ratio(|round| round.latency.p99 as f64),
            verdict,
        }
    }
}

/// A figure of each round.
pub(crate) fn figures(target: &TargetReport, figure: fn(&Round) -> f64) -> Vec<f64> {
    target.rounds.iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_goes_as_far_as_there_are_operations() {
        let mut latency = histogram();
        assert_eq!(distribution(&latency), []);
        (1..=1_000).for_each(|time| latency.record(time).expect("within the bounds"));
        let points = distribution(&latency);
        assert_eq!((points[0].time, points[10].time, points[20].time), (1, 900, 990));
        assert_eq!((points.len(), points[31].quantile, points[31].time), (32, 1.0, 1_000));
    }
}
