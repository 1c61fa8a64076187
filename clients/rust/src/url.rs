//! Reads a connection URL into a configuration.

use crate::config::ClientConfig;
use crate::error::Error;

pub(crate) fn parse(url: &str) -> Result<ClientConfig, Error> {
    Err(Error::config(format!("{url}: no URL grammar yet")))
}
