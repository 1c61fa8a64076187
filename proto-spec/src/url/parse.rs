//! Reads connection URLs, and says what is wrong where. No error shows a password.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{Host, Tls, Url};
use crate::limits::DEFAULT_PORT;
use crate::target::{Target, TargetError};

/// Names of the options, in the order of the specification.
const OPTIONS: [&str; 10] =
    ["tls", "ca", "cert", "key", "connect_timeout", "query_timeout", "app_name", "pool_min", "pool_max", "socket"];

/// What is wrong with a URL, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position} of the URL: {problem}")]
pub struct UrlError {
    /// Offset in bytes of the part that is wrong.
    pub position: usize,
    /// What is wrong with it.
    pub problem: UrlProblem,
}

/// What may be wrong with a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlProblem {
    /// Another scheme.
    #[error("it must begin with vitrail://")]
    Scheme,
    /// An empty host among several, a bracket without its partner, or characters that no host has.
    #[error("this is no host: write name, address, [IPv6 address], or the percent-encoded path of a Unix socket")]
    Host,
    /// A port that is not from 1 to 65,535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("broken percent-encoding")]
    Encoding,
    /// A `#`, which must be written as %23.
    #[error("`#` must be written as %23")]
    Fragment,
    /// The target.
    #[error("{0}")]
    Target(#[from] TargetError),
    /// An option without `=`, or an empty one.
    #[error("options are written as name=value, joined by &")]
    Option,
    /// An option that does not exist.
    #[error("unknown option `{name}`; did you mean `{nearest}`?")]
    UnknownOption {
        /// As written.
        name: String,
        /// The known one that is most like it.
        nearest: &'static str,
    },
    /// An option that occurs twice.
    #[error("option `{0}` occurs twice")]
    Twice(&'static str),
    /// An option's value.
    #[error("option `{option}` must be {wanted}")]
    Value {
        /// The option.
        option: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

impl UrlProblem {
    /// The name that vectors use.
    pub fn name(&self) -> &'static str {
        match self {
            UrlProblem::Scheme => "scheme",
            UrlProblem::Host => "host",
            UrlProblem::Port => "port",
            UrlProblem::Encoding => "encoding",
            UrlProblem::Fragment => "fragment",
            UrlProblem::Target(_) => "target",
            UrlProblem::Option => "option",
            UrlProblem::UnknownOption { .. } => "unknown_option",
            UrlProblem::Twice(_) => "twice",
            UrlProblem::Value { .. } => "value",
        }
    }

    fn at(self, position: usize) -> UrlError {
        UrlError { position, problem: self }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        const SCHEME: &str = "vitrail://";
        if !text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) {
            return Err(UrlProblem::Scheme.at(0));
        }
        if let Some(at) = text.find('#') {
            return Err(UrlProblem::Fragment.at(at));
        }
        let mut url = Url::default();
        let rest = &text[SCHEME.len()..];
        let authority_end = SCHEME.len() + rest.find(['/', '?']).unwrap_or(rest.len());
        let query_start = text.find('?').unwrap_or(text.len());
        read_authority(&mut url, &text[SCHEME.len()..authority_end], SCHEME.len())?;
        if authority_end < query_start {
            let at = authority_end + 1;
            let target = decode(&text[at..query_start], at)?;
            url.target = target.parse::<Target>().map_err(|error| UrlProblem::from(error).at(at))?;
        }
        if query_start < text.len() {
            read_options(&mut url, &text[query_start + 1..], query_start + 1)?;
        }
        Ok(url)
    }
}

fn read_authority(url: &mut Url, authority: &str, start: usize) -> Result<(), UrlError> {
    // The last `@`, because people forget to encode the one in their password.
    let (credentials, hosts, hosts_at) = match authority.rfind('@') {
        Some(at) => (Some(&authority[..at]), &authority[at + 1..], start + at + 1),
        None => (None, authority, start),
    };
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some((password, start + user.len() + 1))),
            None => (credentials, None),
        };
        if !user.is_empty() {
            url.user = Some(decode(user, start)?);
        }
        url.password = password.map(|(password, at)| decode(password, at)).transpose()?;
    }
    if hosts.is_empty() {
        return Ok(());
    }
    url.hosts.clear();
    let mut at = hosts_at;
    for host in hosts.split(',') {
        url.hosts.push(read_host(host, at)?);
        at += host.len() + 1;
    }
    Ok(())
}

fn read_host(text: &str, at: usize) -> Result<Host, UrlError> {
    let bad = || UrlProblem::Host.at(at);
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']').ok_or_else(bad)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
        (address.to_owned(), if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(bad)?) })
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let host = decode(host, at)?;
        if host.starts_with('/') {
            return if port.is_none() && is_path(&host) { Ok(Host::Unix(host)) } else { Err(bad()) };
        }
        (host, port)
    };
    let is_address = text.starts_with('[');
    let fits = |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | '_');
    if !is_address && (host.is_empty() || host.len() > 253 || !host.chars().all(fits)) {
        return Err(bad());
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(digits) => {
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
            let port_at = at + text.len() - digits.len();
            number.filter(|port| *port != 0).ok_or_else(|| UrlProblem::Port.at(port_at))?
        }
    };
    Ok(Host::Tcp { host, port })
}

fn read_options(url: &mut Url, query: &str, start: usize) -> Result<(), UrlError> {
    let mut seen = [false; OPTIONS.len()];
    let mut at = start;
    for option in query.split('&') {
        let (name, value) = option.split_once('=').ok_or_else(|| UrlProblem::Option.at(at))?;
        let name_text = decode(name, at)?;
        let Some(known) = OPTIONS.iter().position(|known| *known == name_text) else {
            let nearest = nearest(&name_text);
            let name = name_text.chars().take(64).collect();
            return Err(UrlProblem::UnknownOption { name, nearest }.at(at));
        };
        if std::mem::replace(&mut seen[known], true) {
            return Err(UrlProblem::Twice(OPTIONS[known]).at(at));
        }
        let value_at = at + name.len() + 1;
        let value = decode(value, value_at)?;
        set(url, OPTIONS[known], value).map_err(|problem| problem.at(value_at))?;
        at += option.len() + 1;
    }
    Ok(())
}

fn set(url: &mut Url, option: &'static str, value: String) -> Result<(), UrlProblem> {
    let wrong = |wanted| UrlProblem::Value { option, wanted };
    let text = |value: String| if value.is_empty() { Err(wrong("not empty")) } else { Ok(Some(value)) };
    let duration =
        |value: &str| read_duration(value).map(Some).ok_or_else(|| wrong("a time such as 500ms, 5s or 2m, above 0"));
    let count = |value: &str, least: u32| {
        let number = value.parse().ok().filter(|count| (least..=100_000).contains(count));
        number.map(Some).ok_or_else(|| wrong(if least == 0 { "from 0 to 100000" } else { "from 1 to 100000" }))
    };
    match option {
        "tls" => {
            let known = Tls::ALL.iter().find(|(_, name)| *name == value).map(|(tls, _)| *tls);
            url.tls = Some(known.ok_or_else(|| wrong("disable, prefer, require, verify-ca or verify-full"))?);
        }
        "ca" => url.ca = text(value)?,
        "cert" => url.cert = text(value)?,
        "key" => url.key = text(value)?,
        "connect_timeout" => url.connect_timeout = duration(&value)?,
        "query_timeout" => url.query_timeout = duration(&value)?,
        "app_name" => url.app_name = text(value)?,
        "pool_min" => url.pool_min = count(&value, 0)?,
        "pool_max" => url.pool_max = count(&value, 1)?,
        _ => {
            if !is_path(&value) {
                return Err(wrong("the absolute path of a Unix socket"));
            }
            url.hosts = vec![Host::Unix(value)];
        }
    }
    Ok(())
}

/// Digits with `ms`, `s` or `m`; seconds without a unit. Above 0, at most a day.
fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let total = number.checked_mul(milliseconds)?;
    (1..=86_400_000).contains(&total).then(|| Duration::from_millis(total))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.len() > 1 && text.len() <= 107 && !text.contains('\0')
}

/// Undoes percent-encoding; `start` is where `text` stands in the URL.
fn decode(text: &str, start: usize) -> Result<String, UrlError> {
    for (at, _) in text.match_indices('%') {
        if !text.as_bytes()[at + 1..].first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) {
            return Err(UrlProblem::Encoding.at(start + at));
        }
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| UrlProblem::Encoding.at(start))
}

fn nearest(name: &str) -> &'static str {
    let name = &name[..name.floor_char_boundary(64)];
    OPTIONS.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)).expect("there are options")
}
