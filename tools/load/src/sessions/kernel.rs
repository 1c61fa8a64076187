//! What sockets cost the kernel, which no process's memory shows.

use std::fs::read_to_string;

/// Bytes that the kernel uses, on the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kernel {
    /// Buffers of TCP sockets: what was sent and not read yet.
    pub(super) buffers: u64,
    /// The kernel's own objects, sockets and open files among them.
    pub(super) slab: u64,
}

impl Kernel {
    /// Now; `None` where `/proc` does not tell.
    pub(super) fn now() -> Option<Kernel> {
        let pages = tcp_pages(&read_to_string("/proc/net/sockstat").ok()?)?;
        let slab = slab(&read_to_string("/proc/meminfo").ok()?)?;
        Some(Kernel { buffers: pages * rustix::param::page_size() as u64, slab })
    }
}

/// `TCP: inuse 6 orphan 0 tw 12 alloc 8 mem 3`
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let mut words = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace();
    words.by_ref().find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

/// `Slab:             123456 kB`
fn slab(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("Slab:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let sockstat = "sockets: used 99\nTCP: inuse 6 orphan 0 tw 12 alloc 8 mem 3\nUDP: inuse 1 mem 2\n";
        assert_eq!(tcp_pages(sockstat), Some(3));
        assert_eq!(slab("MemTotal: 1 kB\nSlab:             123 kB\nSReclaimable: 5 kB\n"), Some(123 << 10));
        assert!(Kernel::now().expect("this is Linux").slab > 1 << 20);
    }
}
