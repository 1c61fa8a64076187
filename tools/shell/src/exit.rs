//! Exit codes of the shell.

/// How the shell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every statement succeeded.
    Success = 0,
    /// A statement failed.
    Statement = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// No connection could be made, or it was refused.
    Connect = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
