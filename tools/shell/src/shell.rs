//! The shell's state: a session, the settings, where results go, what completion knows.

use std::sync::Arc;

use vitrail_client::{Client, Session};

use crate::complete::catalogue::Catalogue;
use crate::format::{Format, Look};
use crate::input::Statement;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::settings::Settings;
use crate::terminal::{Terminal, dim, painted, say};

/// Everything that statements and commands work on.
pub struct Shell {
    /// Its connections.
    pub client: Client,
    /// Where statements run.
    pub session: Session,
    /// What `\set` shows.
    pub settings: Settings,
    /// What the process's streams are.
    pub terminal: Terminal,
    /// Where results go.
    pub output: Output,
    /// Ctrl-C.
    pub interrupts: Interrupts,
    /// Keyspaces, shards, tables and columns, fetched in the background.
    pub catalogue: Arc<Catalogue>,
    /// The statement that `\watch`, `\explain`, `\e` and `\fs` take where none is given.
    pub last: Option<Statement>,
    /// What is read at present, for messages: `None` at the prompt.
    pub reading: Option<String>,
    /// Statements are typed by a person: dangerous ones are asked about.
    pub interactive: bool,
    /// The connection is encrypted.
    pub encrypted: bool,
    /// Text to begin the next line with.
    pub prefill: Option<String>,
    /// Failures do not end what is read.
    pub force: bool,
    /// How deep files include each other at present.
    pub depth: usize,
}

impl Shell {
    /// A shell over a client that has connected.
    pub async fn new(client: Client, settings: Settings, terminal: Terminal, interactive: bool) -> Shell {
        let interrupts = Interrupts::listen(interactive);
        let encrypted = client.is_encrypted().await.unwrap_or(false);
        Shell {
            session: client.session(),
            catalogue: Arc::new(Catalogue::new(&client, interactive && settings.completion)),
            client,
            settings,
            terminal,
            output: Output::default(),
            interrupts,
            last: None,
            reading: None,
            interactive,
            encrypted,
            prefill: None,
            force: false,
            depth: 0,
        }
    }

    /// Goes over to another client; what the session had is left behind.
    pub async fn connect(&mut self, client: Client) {
        let session = std::mem::replace(&mut self.session, client.session());
        // Nothing is lost with it: the gate rolls back what a connection leaves behind.
        let _ = session.close().await;
        self.encrypted = client.is_encrypted().await.unwrap_or(false);
        self.catalogue = Arc::new(Catalogue::new(&client, self.interactive && self.settings.completion));
        std::mem::replace(&mut self.client, client).close();
    }

    /// Ends the session; an open transaction is rolled back.
    pub async fn close(mut self) {
        if let Err(message) = std::mem::take(&mut self.output).close() {
            say(&message);
        }
        let _ = self.session.close().await;
    }

    /// The format of results where they go at present.
    pub fn format(&self) -> Format {
        let table = self.terminal.output || !self.output.is_standard() && self.interactive;
        self.settings.format.unwrap_or(if table { Format::Table } else { Format::Tsv })
    }

    /// How formats for people look where results go at present.
    pub fn look(&self) -> Look {
        let shown = self.output.is_standard() && self.terminal.output;
        Look {
            width: shown.then(|| self.terminal.size().0),
            colour: shown && self.terminal.colour,
            unicode: self.terminal.unicode,
            null: self.settings.null.clone(),
            expanded: self.settings.expanded,
        }
    }

    /// Talk that recedes behind results.
    pub fn whisper(&self, message: &str) {
        say(&painted(message, dim(), self.terminal.colour && self.terminal.errors));
    }

    /// Colours in messages.
    pub fn colour(&self) -> bool {
        self.terminal.colour && self.terminal.errors
    }
}
