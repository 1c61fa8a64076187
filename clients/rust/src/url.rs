//! Reads a connection URL into a configuration:
//! `vitrail://user:password@host:port,host2/keyspace:shard@type?option=value&…`
//!
//! User, password, hosts, target and option values are percent-encoded UTF-8. A host that begins with `/` (`%2Frun%2Fvitrail.sock`) is a Unix
//! socket. IPv6 addresses stand in brackets. An unknown option is an error that names the nearest known one.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use vitrail_proto::target::TabletType;

use crate::config::{ClientConfig, DEFAULT_PORT, Endpoint, TlsMode};
use crate::error::Error;

/// Every option, for the errors.
const OPTIONS: [&str; 12] = [
    "tls",
    "ca",
    "cert",
    "key",
    "connect_timeout",
    "query_timeout",
    "target",
    "app_name",
    "instance",
    "pool_min",
    "pool_max",
    "retries",
];
/// Most hosts of a URL.
const MAX_HOSTS: usize = 64;

pub(crate) fn parse(url: &str) -> Result<ClientConfig, Error> {
    let rest = url.strip_prefix("vitrail://").ok_or_else(|| {
        Error::config(
            "the URL does not begin with `vitrail://`; it looks like `vitrail://user:password@host:15300/keyspace`",
        )
    })?;
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, target) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut config = ClientConfig::default();
    if !user.is_empty() {
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(password)),
            None => (user, None),
        };
        config.user = decode("the user", name)?;
        config.password = password.map(|password| decode("the password", password)).transpose()?;
    }
    config.endpoints = hosts.split(',').map(host).collect::<Result<_, _>>()?;
    if config.endpoints.len() > MAX_HOSTS {
        return Err(Error::config(format!("the URL names more than {MAX_HOSTS} hosts")));
    }
    if !target.is_empty() {
        let target = decode("the target", target)?;
        config.target = Some(target.parse().map_err(|error| bad_target(&target, &error))?);
    }
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (key, value) =
            option.split_once('=').ok_or_else(|| Error::config(format!("the option `{option}` has no value")))?;
        set_option(&mut config, key, &decode(key, value)?)?;
    }
    Ok(config)
}

fn set_option(config: &mut ClientConfig, key: &str, value: &str) -> Result<(), Error> {
    match key {
        "tls" => {
            config.tls.mode = match value {
                "disable" => TlsMode::Disable,
                "require" => TlsMode::Require,
                "verify-ca" => TlsMode::VerifyCa,
                "verify-full" => TlsMode::VerifyFull,
                _ => return Err(bad(key, value, "disable, require, verify-ca or verify-full")),
            }
        }
        "ca" => config.tls.ca = Some(PathBuf::from(value)),
        "cert" => config.tls.certificate = Some(PathBuf::from(value)),
        "key" => config.tls.key = Some(PathBuf::from(value)),
        "connect_timeout" => config.connect_timeout = duration(key, value)?,
        "query_timeout" => config.query_timeout = Some(duration(key, value)?),
        "target" => {
            let tablet_type = TabletType::parse(value).ok_or_else(|| bad(key, value, "primary, replica or rdonly"))?;
            config.target.get_or_insert_default().tablet_type = tablet_type;
        }
        "app_name" => config.application = value.to_owned(),
        "instance" => config.instance = value.to_owned(),
        "pool_min" => config.pool_min = number(key, value)?,
        "pool_max" => config.pool_max = number(key, value)?.max(1),
        "retries" => config.retries = u32::try_from(number(key, value)?).unwrap_or(u32::MAX),
        unknown => {
            let near = OPTIONS.iter().max_by(|left, right| {
                strsim::jaro_winkler(left, unknown).total_cmp(&strsim::jaro_winkler(right, unknown))
            });
            let near = near.expect("there are options");
            return Err(Error::config(format!("there is no option `{unknown}`; did you mean `{near}`?")));
        }
    }
    Ok(())
}

fn host(text: &str) -> Result<Endpoint, Error> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) =
                rest.split_once(']').ok_or_else(|| Error::config(format!("`{text}` has no closing bracket")))?;
            let port = if port.is_empty() { None } else { port.strip_prefix(':').or(Some(port)) };
            (host.to_owned(), port)
        }
        None => {
            let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (decode("the host", host)?, port)
        }
    };
    if host.starts_with('/') && port.is_none() {
        return Ok(Endpoint::Unix(PathBuf::from(host)));
    }
    if host.is_empty() || host.contains('/') {
        return Err(Error::config(format!("`{text}` is no host")));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().map_err(|_| Error::config(format!("`{port}` is no port")))?,
    };
    Ok(Endpoint::Tcp { host, port })
}

/// `500ms`, `10s`, or a plain number of seconds.
fn duration(key: &str, value: &str) -> Result<Duration, Error> {
    let (digits, unit) = match value.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (value.strip_suffix('s').unwrap_or(value), 1000),
    };
    let count: u32 = digits.parse().map_err(|_| bad(key, value, "a number of seconds, or as in `500ms`"))?;
    match u64::from(count) * unit {
        0 => Err(bad(key, value, "a duration above zero")),
        ms => Ok(Duration::from_millis(ms)),
    }
}

fn number(key: &str, value: &str) -> Result<usize, Error> {
    value.parse().map_err(|_| bad(key, value, "a number"))
}

fn bad(key: &str, value: &str, expected: &str) -> Error {
    Error::config(format!("`{key}` cannot be `{value}`; it takes {expected}"))
}

fn bad_target(target: &str, error: &dyn std::fmt::Display) -> Error {
    Error::config(format!("`{target}` is no target: {error}"))
}

fn decode(what: &str, text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| Error::config(format!("{what} is not UTF-8 when decoded")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_url_is_read() {
        let config = parse(
            "vitrail://an%40na:p%3Aw@gate-1:15301,[::1],%2Frun%2Fv.sock/flights:-80@replica?tls=require&query_timeout=500ms&pool_max=2",
        )
        .unwrap();
        assert_eq!((config.user.as_str(), config.password.as_deref()), ("an@na", Some("p:w")));
        let endpoints: Vec<String> = config.endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(endpoints, ["gate-1:15301", "[::1]:15300", "/run/v.sock"]);
        let target = config.target.unwrap();
        assert_eq!((target.keyspace.as_deref(), target.shard.as_deref()), (Some("flights"), Some("-80")));
        assert_eq!(target.tablet_type, TabletType::Replica);
        assert_eq!((config.tls.mode, config.pool_max), (TlsMode::Require, 2));
        assert_eq!(config.query_timeout, Some(Duration::from_millis(500)));
        assert_eq!(parse("vitrail://localhost").unwrap().password, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("mysql://localhost", "the URL does not begin with `vitrail://`"),
            ("vitrail://", "`` is no host"),
            ("vitrail://h:99999", "`99999` is no port"),
            ("vitrail://[::1", "has no closing bracket"),
            ("vitrail://h/k?tsl=require", "there is no option `tsl`; did you mean `tls`?"),
            ("vitrail://h/k?tls=maybe", "`tls` cannot be `maybe`; it takes disable,"),
            ("vitrail://h/k?connect_timeout=0", "it takes a duration above zero"),
            ("vitrail://h/k?ca", "the option `ca` has no value"),
            ("vitrail://h/k@master", "`k@master` is no target"),
            ("vitrail://h/k:", "`k:` is no target"),
            ("vitrail://%ff@h", "the user is not UTF-8"),
        ];
        for (url, expected) in cases {
            let error = parse(url).unwrap_err();
            assert!(error.to_string().contains(expected), "{url}: {error}");
            assert_eq!(error.errno(), 61010);
        }
    }
}
