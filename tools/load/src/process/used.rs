//! What processes use from one moment to another.

use futures_util::future::join_all;

use super::{Process, Usage};

/// Of a target's processes and of this one, so far or for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    /// Of the target's; `None` of one that is gone or does not answer.
    pub(crate) processes: Vec<Option<Usage>>,
    /// Of the load tester.
    pub(crate) own: Usage,
}

impl Used {
    /// So far.
    pub(crate) async fn now(processes: &[Process]) -> Used {
        let this = Process::this();
        let (processes, own) = tokio::join!(join_all(processes.iter().map(Process::usage)), this.usage());
        Used { processes, own: own.unwrap_or_default() }
    }

    /// CPU since then, and memory now.
    pub(crate) fn since(&self, before: &Used) -> Used {
        let pairs = before.processes.iter().zip(&self.processes);
        Used {
            processes: pairs.map(|(before, after)| Some(after.as_ref()?.since(before.as_ref()?))).collect(),
            own: self.own.since(&before.own),
        }
    }
}

impl Usage {
    fn since(&self, before: &Usage) -> Usage {
        Usage { cpu: self.cpu.saturating_sub(before.cpu), memory: self.memory }
    }
}
