//! What this process takes of its machine, under the names that every exporter for Prometheus uses.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::time::{ClockId, clock_gettime};

/// Read anew with each scrape.
#[derive(Debug)]
pub(crate) struct Resources;

impl Collector for Resources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let cpu = ConstCounter::new(cpu_seconds());
        let help = "CPU time of all threads, user and system.";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        // Told by `/proc`, which only Linux has.
        if let Some(bytes) = resident_bytes() {
            let memory = ConstGauge::new(bytes);
            let help = "Resident memory.";
            memory.encode(encoder.encode_descriptor(
                "process_resident_memory_bytes",
                help,
                None,
                memory.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_memory() {
        let (cpu, memory) = (cpu_seconds(), resident_bytes().unwrap());
        let mut kept = Vec::new();
        while cpu_seconds() < cpu + 0.05 && kept.len() < 2_000 {
            kept.push(vec![1_u8; 1 << 20]);
        }
        assert!(cpu_seconds() >= cpu + 0.05, "2 GB were filled in no time");
        assert!(resident_bytes().unwrap() > memory + ((kept.len() as u64) << 19));
    }
}
