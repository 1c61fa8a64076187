//! Servers that all test processes of one run share.
//!
//! `vitrail-harness COMMAND …` starts one server of each flavour, tells the command where they are in [`VARIABLE`], and ends them with it.
//! Test binaries then start none of their own, except where a test needs one for itself.

use std::path::PathBuf;

use vitrail_mysql::Flavour;

/// Names the servers of the run: a line each, `flavour port socket data`, with tabs between.
pub const VARIABLE: &str = "VITRAIL_TEST_SERVERS";

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) flavour: Flavour,
    /// On 127.0.0.1.
    pub(crate) port: u16,
    pub(crate) socket: PathBuf,
    pub(crate) data: PathBuf,
}

/// The run's server of a flavour; `None` if it has none.
///
/// # Errors
///
/// A variable that cannot be read, with what to do.
pub(crate) fn of_the_run(flavour: Flavour) -> Result<Option<Place>, String> {
    match std::env::var(VARIABLE) {
        Ok(text) => Ok(read(&text)?.into_iter().find(|place| place.flavour == flavour)),
        Err(_) => Ok(None),
    }
}

/// The servers as the variable names them.
pub(crate) fn write<'a>(places: impl Iterator<Item = &'a Place>) -> String {
    let lines = places.map(|place| {
        let Place { flavour, port, socket, data } = place;
        format!("{}\t{port}\t{}\t{}", flavour.as_str(), socket.display(), data.display())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn read(text: &str) -> Result<Vec<Place>, String> {
    let place = |line: &str| {
        let mut parts = line.split('\t');
        let mut next = || parts.next();
        let flavour = Flavour::parse(next()?)?;
        let (port, socket, data) = (next()?.parse().ok()?, next()?.into(), next()?.into());
        Some(Place { flavour, port, socket, data })
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            place(line).ok_or_else(|| format!("{VARIABLE} has a line that names no server: {line:?}; unset it"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_they_were_written() {
        let places = [
            Place { flavour: Flavour::MariaDb, port: 1, socket: "/tmp/a b/s".into(), data: "/tmp/a b".into() },
            Place { flavour: Flavour::MySql, port: 2, socket: "/s".into(), data: "/d".into() },
        ];
        assert_eq!(read(&write(places.iter())).unwrap(), places);
        assert_eq!(read("").unwrap(), []);
        assert!(read("mariadb\tx\t/s\t/d").unwrap_err().contains(VARIABLE));
    }
}
