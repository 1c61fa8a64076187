//! The limit on open files: each connection is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of this process to the most that it may have, and gives it; `None`: there is none. Shells and service managers
/// often begin with 1,024, which is a courtesy to programs that use `select`.
///
/// # Errors
/// What the system says.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum || current.is_none() {
        return Ok(current);
    }
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once() {
        let raised = raise_limit().unwrap();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
        assert_eq!(raise_limit().unwrap(), raised);
    }
}
