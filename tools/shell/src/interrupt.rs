//! Ctrl-C: once cancels the statement that runs, insisting leaves.

use std::io::IsTerminal;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use vitrail_client::CancelHandle;

use crate::exit::Exit;
use crate::terminal::say;

/// Presses during one statement after which the shell leaves, running statement or not.
const PATIENCE: u32 = 3;

/// Listens for Ctrl-C for as long as the shell runs.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    state: Arc<Mutex<State>>,
    /// Counts presses.
    presses: Arc<watch::Sender<u64>>,
    /// At a prompt a press with nothing to cancel means nothing.
    interactive: bool,
}

#[derive(Debug, Default)]
struct State {
    /// What a press cancels.
    running: Option<CancelHandle>,
    /// Presses since it runs.
    presses: u32,
    /// A child has the terminal.
    elsewhere: bool,
}

/// Until dropped, Ctrl-C means something else than leaving.
#[derive(Debug)]
pub struct During(Arc<Mutex<State>>);

impl Interrupts {
    /// Starts to listen.
    pub fn listen(interactive: bool) -> Interrupts {
        let interrupts = Interrupts { interactive, ..Interrupts::default() };
        let listening = interrupts.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                listening.press();
            }
        });
        interrupts
    }

    /// A press cancels what this handle cancels.
    pub fn during(&self, handle: CancelHandle) -> During {
        let mut state = self.state.lock();
        (state.running, state.presses) = (Some(handle), 0);
        During(Arc::clone(&self.state))
    }

    /// A press is for a child that has the terminal.
    pub fn elsewhere(&self) -> During {
        self.state.lock().elsewhere = true;
        During(Arc::clone(&self.state))
    }

    /// Sees every press from now on, whatever else it does.
    pub fn presses(&self) -> watch::Receiver<u64> {
        self.presses.subscribe()
    }

    fn press(&self) {
        let mut state = self.state.lock();
        self.presses.send_modify(|count| *count += 1);
        let Some(running) = &state.running else {
            if !state.elsewhere && !self.interactive {
                leave();
            }
            return;
        };
        running.cancel();
        state.presses += 1;
        match state.presses {
            // What is told next begins its own line, not that of the `^C`.
            1 if std::io::stderr().is_terminal() => say(""),
            1 => {}
            PATIENCE => leave(),
            _ => say("the statement is being cancelled; once more leaves the shell"),
        }
    }
}

impl Drop for During {
    fn drop(&mut self) {
        *self.0.lock() = State::default();
    }
}

/// Ends the process: its connection goes with it, and the server rolls back what was open.
fn leave() {
    say("");
    std::process::exit(Exit::Interrupted as i32);
}
