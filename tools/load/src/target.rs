//! What is measured: a server behind a URL.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use url::Url;
use vitrail_client::config::Endpoint;
use vitrail_client::{Client, ClientConfig};
use vitrail_mysql::{Address, ConnectOptions, Tls, TlsMode};

use crate::connection::{Connection, Failure};

/// How long a connection may take to open: many are opened at once.
const CONNECTING: Duration = Duration::from_secs(30);

/// A server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// What reports call it.
    pub name: String,
    /// As it was given, without its password.
    pub url: String,
    /// It leads to the server of the target before it, and so to the same tables.
    pub is_detour: bool,
    protocol: Protocol,
}

#[derive(Debug, Clone)]
enum Protocol {
    Vitrail(Box<ClientConfig>),
    MySql(Box<ConnectOptions>),
}

/// Where a target listens, for whoever looks for its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    /// A TCP port of a host.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Target {
    /// Reads `URL` or `NAME=URL`. URLs begin with `vitrail://`, or with `mysql://` for MySQL itself and for proxies that speak its protocol.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub fn parse(text: &str) -> Result<Target> {
        let scheme = text
            .find("://")
            .context("a target is a URL, as vitrail://app@localhost:15300/shop or mysql://root@localhost/shop")?;
        let (name, url) = match text[..scheme].split_once('=') {
            Some((name, _)) => (Some(name), &text[name.len() + 1..]),
            None => (None, text),
        };
        let parsed = Url::parse(url).with_context(|| format!("{url} is no URL"))?;
        let protocol = match parsed.scheme() {
            "vitrail" | "vitrails" => {
                let mut config = ClientConfig::from_url(url)?;
                config.pool_max = 1;
                // What is refused counts, and is not asked for again unless the workload says so.
                config.retries = 0;
                config.connect_timeout = CONNECTING;
                Protocol::Vitrail(Box::new(config))
            }
            "mysql" => Protocol::MySql(Box::new(mysql_options(&parsed)?)),
            other => bail!("{other}:// is no protocol of a target; take vitrail:// or mysql://"),
        };
        let mut shown = parsed.clone();
        if shown.password().is_some() {
            // Fails for URLs that cannot have a password, and those have none.
            let _ = shown.set_password(None);
        }
        let name = name.map_or_else(|| parsed.scheme().to_owned(), str::to_owned);
        Ok(Target { name, url: shown.to_string(), is_detour: false, protocol })
    }

    /// Reads several, and gives each a name of its own.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that cannot be read.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Target>> {
        let mut targets = texts.iter().map(|text| Target::parse(text)).collect::<Result<Vec<_>>>()?;
        Target::distinguish(&mut targets);
        Ok(targets)
    }

    /// The same MySQL by way of another address.
    ///
    /// # Errors
    ///
    /// It speaks another protocol, or holds the server's certificate against its name.
    pub fn detour(&self, name: &str, by: SocketAddr) -> Result<Target> {
        let Protocol::MySql(options) = &self.protocol else { bail!("{} is no MySQL", self.name) };
        if options.tls.mode() == TlsMode::VerifyFull {
            bail!("{} verifies the server's name, which is another one by way of {by}: take tls=require", self.name);
        }
        let mut options = options.clone();
        options.address = Address::tcp(by.ip().to_string(), by.port());
        let mut url = Url::parse(&self.url)?;
        url.set_host(Some(&by.ip().to_string()))?;
        // Fails for URLs that cannot have a port, and this one has a host.
        let _ = url.set_port(Some(by.port()));
        Ok(Target { name: name.to_owned(), url: url.to_string(), is_detour: true, protocol: Protocol::MySql(options) })
    }

    /// Gives each a name of its own.
    pub fn distinguish(targets: &mut [Target]) {
        for index in 1..targets.len() {
            let (before, rest) = targets.split_at_mut(index);
            let base = rest[0].name.clone();
            let mut number = 2;
            while before.iter().any(|target| target.name == rest[0].name) {
                rest[0].name = format!("{base}-{number}");
                number += 1;
            }
        }
    }

    /// Where it listens; the first host of several.
    pub fn listening(&self) -> Option<Listening> {
        match &self.protocol {
            Protocol::Vitrail(config) => config.endpoints.first().map(|endpoint| match endpoint {
                Endpoint::Tcp { host, port } => Listening::Tcp(host.clone(), *port),
                Endpoint::Unix(path) => Listening::Unix(path.clone()),
            }),
            Protocol::MySql(options) => Some(match &options.address {
                Address::Tcp { host, port } => Listening::Tcp(host.clone(), *port),
                Address::Unix(path) => Listening::Unix(path.clone()),
            }),
        }
    }

    /// Opens connections of one session each, or `per_connection` sessions on each where the protocol has sessions.
    ///
    /// # Errors
    ///
    /// The first that cannot be opened.
    pub async fn open(&self, count: usize, per_connection: usize) -> Result<Vec<Connection>, Failure> {
        let mut opened = Vec::with_capacity(count);
        match &self.protocol {
            Protocol::MySql(options) => {
                for _ in 0..count {
                    opened.push(Connection::mysql(vitrail_mysql::Connection::connect(options).await?));
                }
            }
            Protocol::Vitrail(config) => {
                let mut left = count;
                while left > 0 {
                    let here = left.min(per_connection.max(1));
                    let client = Client::connect_with(config.as_ref().clone()).await?;
                    opened.extend((0..here).map(|_| Connection::vitrail(client.session())));
                    left -= here;
                }
            }
        }
        Ok(opened)
    }

    /// The configuration of clients, if the target speaks Vitrail's protocol.
    pub fn vitrail(&self) -> Option<&ClientConfig> {
        match &self.protocol {
            Protocol::Vitrail(config) => Some(config),
            Protocol::MySql(_) => None,
        }
    }

    /// The options of connections, if the target speaks MySQL's protocol.
    pub fn mysql(&self) -> Option<&ConnectOptions> {
        match &self.protocol {
            Protocol::Vitrail(_) => None,
            Protocol::MySql(options) => Some(options),
        }
    }
}

/// `mysql://user:password@host:port/database?socket=/path&tls=verify-full`
fn mysql_options(url: &Url) -> Result<ConnectOptions> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut address = Address::tcp(url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(3306));
    let mut mode = TlsMode::Disable;
    for (key, value) in url.query_pairs() {
        match &*key {
            "socket" => address = Address::unix(&*value),
            "tls" => {
                mode = match &*value {
                    "disable" => TlsMode::Disable,
                    "require" => TlsMode::Require,
                    "verify-full" => TlsMode::VerifyFull,
                    other => bail!("tls={other}: take disable, require or verify-full"),
                }
            }
            other => bail!("mysql:// has no option `{other}`; there are `socket` and `tls`"),
        }
    }
    let user = if url.username().is_empty() { "root".to_owned() } else { decoded(url.username()) };
    let mut options = ConnectOptions::new(address, user).with_connect_timeout(CONNECTING);
    if let Some(password) = url.password() {
        options = options.with_password(decoded(password));
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() {
        options = options.with_database(decoded(database));
    }
    Ok(options.with_tls(Tls::new(mode, None, None)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_names_and_hide_passwords() {
        let texts = [
            "mysql://root:secret@127.0.0.1:3307/shop",
            "a=vitrail://app:secret@127.0.0.1:15300/shop?tls=disable",
            "mysql://root@localhost/shop?socket=/tmp/s",
        ];
        let targets = Target::parse_all(&texts.map(str::to_owned)).expect("targets");
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["mysql", "a", "mysql-2"]);
        assert!(targets.iter().all(|target| !target.url.contains("secret")));
        assert_eq!(targets[0].listening(), Some(Listening::Tcp("127.0.0.1".into(), 3307)));
        assert_eq!(targets[1].listening(), Some(Listening::Tcp("127.0.0.1".into(), 15300)));
        assert_eq!(targets[2].listening(), Some(Listening::Unix("/tmp/s".into())));
    }

    #[test]
    fn a_detour_leads_to_the_same_server() {
        let target = Target::parse("mysql://root:secret@db.example:3307/shop?tls=require").expect("a target");
        let by = "127.0.0.1:4000".parse().expect("an address");
        let detour = target.detour("floor", by).expect("a detour");
        assert_eq!(detour.url, "mysql://root@127.0.0.1:4000/shop?tls=require");
        assert_eq!(detour.listening(), Some(Listening::Tcp("127.0.0.1".into(), 4000)));
        let strict = Target::parse("mysql://root@db.example/shop?tls=verify-full").expect("a target");
        assert!(strict.detour("floor", by).expect_err("refused").to_string().contains("take tls=require"));
    }

    #[test]
    fn a_wrong_target_says_what_is_right() {
        for (text, says) in [
            ("localhost", "a target is a URL"),
            ("http://localhost", "no protocol of a target"),
            ("mysql://localhost/?x=1", "no option `x`"),
        ] {
            let error = Target::parse(text).expect_err("refused");
            assert!(format!("{error:#}").contains(says), "{text}: {error:#}");
        }
    }
}
