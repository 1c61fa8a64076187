//! The adapter of this client for `tools/conformance`: commands on standard input, answers on standard output, a line each.

#![allow(clippy::print_stdout, reason = "answers go to standard output")]

mod describe;
mod session;

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use vitrail_client::{CancelHandle, Client, ClientConfig, Error, SessionState};

use describe::{failure, text};
use session::{Order, serve};

/// A session that a command has named: a task of its own runs its orders.
struct Named {
    orders: mpsc::UnboundedSender<Order>,
    cancel: CancelHandle,
    client: Client,
    state: SessionState,
}

#[derive(Default)]
struct Adapter {
    sessions: HashMap<String, Named>,
    /// The session of each stream.
    streams: HashMap<String, String>,
    /// Statements that run: the session, and where the answer comes.
    running: HashMap<String, (String, oneshot::Receiver<Json>)>,
}

impl Adapter {
    async fn answer(&mut self, command: Json) -> Json {
        match text(&command, "do").as_str() {
            "connect" => match self.connect(&command).await {
                Ok(()) => json!({"ok": {}}),
                Err(error) => failure(&error),
            },
            "session" => {
                let of = &self.sessions[&text(&command, "of")];
                let (client, state) = (of.client.clone(), of.state.clone());
                self.open(text(&command, "as"), client, state);
                json!({"ok": {}})
            }
            "start" => {
                let on = text(&command, "on");
                let receiver = self.send(&on, command.clone());
                self.running.insert(text(&command, "as"), (on, receiver));
                json!({"ok": {}})
            }
            "cancel" => {
                let session = &self.running[&text(&command, "on")].0;
                self.sessions[session].cancel.cancel();
                json!({"ok": {}})
            }
            "wait" => {
                let (session, receiver) =
                    self.running.remove(&text(&command, "on")).expect("the statement was started");
                let answer = receiver.await.expect("a session answers each order");
                // It may be cancelled yet, for nothing.
                let (_, answered) = oneshot::channel();
                self.running.insert(text(&command, "on"), (session, answered));
                answer
            }
            "stream" => {
                let on = text(&command, "on");
                self.streams.insert(text(&command, "as"), on.clone());
                self.send(&on, command).await.expect("a session answers each order")
            }
            "next" | "stop" => {
                let session = self.streams[&text(&command, "on")].clone();
                self.send(&session, command).await.expect("a session answers each order")
            }
            _ => self.send(&text(&command, "on"), command).await.expect("a session answers each order"),
        }
    }

    async fn connect(&mut self, command: &Json) -> Result<(), Error> {
        let mut config = ClientConfig::from_url(&text(command, "url"))?;
        config.pool_max = 1;
        let options = &command["options"];
        let variables = options["variables"].as_object().into_iter().flatten();
        let state = SessionState {
            target: config.target.clone(),
            found_rows: options["found_rows"].as_bool(),
            variables: variables
                .map(|(name, value)| (name.clone(), value.as_str().expect("the text of a literal").to_owned()))
                .collect(),
            ..SessionState::default()
        };
        let client = Client::connect_with(config).await?;
        self.open(text(command, "as"), client, state);
        Ok(())
    }

    fn open(&mut self, name: String, client: Client, state: SessionState) {
        let session = client.session_with(state.clone());
        let cancel = session.cancel_handle();
        let (orders, receiver) = mpsc::unbounded_channel();
        tokio::spawn(serve(session, receiver));
        self.sessions.insert(name, Named { orders, cancel, client, state });
    }

    fn send(&self, session: &str, command: Json) -> oneshot::Receiver<Json> {
        let (answer, receiver) = oneshot::channel();
        self.sessions[session]
            .orders
            .send(Order { command, answer })
            .expect("a session takes orders until it is closed");
        receiver
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut adapter = Adapter::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command = serde_json::from_str(&line).map_err(std::io::Error::other)?;
        println!("{}", adapter.answer(command).await);
    }
    Ok(())
}
