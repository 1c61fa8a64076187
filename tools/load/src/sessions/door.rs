//! How a client process connects, opens sessions and runs their statement.

use anyhow::{Result, bail};
use vitrail_client::Endpoint;
use vitrail_client::connection::{ConnectOptions, Connection, Pending};
use vitrail_proto::message::{Op, Request, SessionState, Share};

use super::source::Source;
use crate::connection::{Failure, run_mysql};
use crate::target::Target;

/// Made once, and used for every connection: certificates are read once, keys derived once.
pub(super) struct Door {
    way: Way,
    source: Source,
    /// Run by each session when it is opened, and again later.
    statement: Option<String>,
}

enum Way {
    Vitrail { endpoints: Vec<Endpoint>, options: Box<ConnectOptions>, open: Box<Request> },
    MySql(Box<vitrail_mysql::ConnectOptions>),
}

/// A connection.
pub(super) enum Link {
    /// Below the client library's sessions, which know how to move to another gate: each is some hundred bytes, and here there may be a million.
    Vitrail(Connection),
    MySql(Box<tokio::sync::Mutex<vitrail_mysql::Connection>>),
}

impl Door {
    /// To a target.
    ///
    /// # Errors
    ///
    /// Certificates cannot be read.
    pub(super) fn new(target: &Target, source: Source, statement: Option<String>) -> Result<Door> {
        let way = match (target.vitrail(), target.mysql()) {
            (Some(config), _) => {
                let mut open = Request::new(Op::Open);
                open.state = Some(SessionState { target: config.target.clone(), ..SessionState::default() });
                let options = Box::new(ConnectOptions::from_config(config)?);
                Way::Vitrail { endpoints: config.endpoints.clone(), options, open: Box::new(open) }
            }
            (None, Some(options)) => Way::MySql(Box::new(options.clone())),
            (None, None) => bail!("{} has no connections", target.name),
        };
        Ok(Door { way, source, statement })
    }

    /// Opens the connection with that number, from the address of this machine that it has.
    pub(super) async fn connect(&self, number: usize) -> Result<Link, Failure> {
        let from = self.source.of(number);
        match &self.way {
            Way::Vitrail { endpoints, options, .. } => {
                let mut options = options.as_ref().clone();
                options.local_address = from;
                let endpoint = &endpoints[number % endpoints.len()];
                Ok(Link::Vitrail(Connection::connect(endpoint, &options).await?))
            }
            Way::MySql(options) => {
                let mut options = options.as_ref().clone();
                options.local_address = from;
                let mut connection = vitrail_mysql::Connection::connect(&options).await?;
                connection.release_buffers();
                Ok(Link::MySql(Box::new(tokio::sync::Mutex::new(connection))))
            }
        }
    }

    /// Opens a session and runs its statement; gives its number.
    pub(super) async fn open(&self, link: &Link) -> Result<u64, Failure> {
        let (Link::Vitrail(connection), Way::Vitrail { open, .. }) = (link, &self.way) else {
            self.run(link, 0).await?;
            return Ok(0);
        };
        let id = connection.new_session_id();
        let mut open = open.as_ref().clone();
        open.session = Some(id);
        match self.request(id) {
            None => finish(connection.request(&open)).await?,
            Some(mut statement) => {
                // In one write, as a client's first statement goes.
                statement.chain = true;
                let sent = connection.requests([(&open, None), (&statement, None)]);
                for pending in sent {
                    finish(pending).await?;
                }
            }
        }
        Ok(id)
    }

    /// Runs the statement, if there is one.
    pub(super) async fn run(&self, link: &Link, id: u64) -> Result<(), Failure> {
        match link {
            Link::Vitrail(connection) => match self.request(id) {
                Some(statement) => finish(connection.request(&statement)).await,
                None => Ok(()),
            },
            Link::MySql(connection) => {
                let Some(sql) = &self.statement else { return Ok(()) };
                let connection = &mut *connection.lock().await;
                run_mysql(connection, sql, &mut |_, _, _| false).await?;
                connection.release_buffers();
                Ok(())
            }
        }
    }

    fn request(&self, id: u64) -> Option<Request> {
        let mut request = Request::new(Op::Execute);
        request.session = Some(id);
        request.sql = Some(self.statement.clone()?);
        // All say the same: shared, hardly one would reach MySQL.
        request.share = Some(Share::Off);
        Some(request)
    }
}

impl Link {
    /// The server has closed it, as far as has been heard.
    pub(super) async fn is_dead(&self) -> bool {
        match self {
            Link::Vitrail(connection) => connection.is_closed(),
            Link::MySql(connection) => !connection.lock().await.is_alive().await,
        }
    }
}

async fn finish(mut pending: Pending) -> Result<(), Failure> {
    while pending.next().await?.is_some() {}
    Ok(())
}
