//! The live view: a run as it goes on, on a terminal, with keys that change its rate.

mod draw;
mod keys;
mod screen;
mod terminal;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::drive::{Controls, Moment, Observer, Second};
use crate::run::{Hand, Progress, Turn, note};
use screen::Screen;
pub(crate) use terminal::restore;

/// Draws a run from its first turn on; what comes before are plain lines.
pub struct View {
    hand: Hand,
    screen: Arc<Mutex<Screen>>,
    drawing: Option<Drawing>,
}

struct Drawing {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl View {
    /// Where it can be drawn: on standard error, with keys from standard input.
    pub fn is_possible() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    pub(crate) fn new(hand: Hand) -> View {
        View { hand, screen: Arc::default(), drawing: None }
    }

    fn start(&mut self) -> std::io::Result<()> {
        let mut terminal = terminal::take()?;
        let over = Arc::new(AtomicBool::new(false));
        let (hand, screen, ended) = (self.hand.clone(), Arc::clone(&self.screen), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("view".into()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if terminal::draw(&mut terminal, |frame| draw::draw(frame, &screen.lock())).is_err() {
                    // The terminal has gone: the run is worth more than its picture.
                    return;
                }
                keys::obey(&hand, &screen);
            }
        })?;
        self.drawing = Some(Drawing { over, thread });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(Drawing { over, thread }) = self.drawing.take() {
            over.store(true, Ordering::Relaxed);
            // A panic of its has been told by the hook.
            let _ = thread.join();
        }
        restore();
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.end();
    }
}

impl Progress for View {
    fn note(&mut self, line: &str) {
        match self.drawing {
            None => note(line),
            Some(_) => self.screen.lock().message = line.to_owned(),
        }
    }

    fn turn(&mut self, turn: &Turn<'_>) {
        self.screen.lock().turn(turn);
        if self.drawing.is_none()
            && let Err(error) = self.start()
        {
            restore();
            note(&format!("the terminal cannot be drawn on: {error}; --plain prints lines"));
        }
    }

    fn over(&mut self) {
        self.end();
    }
}

impl Observer for View {
    fn begin(&mut self, controls: &Controls) {
        self.hand.take(controls);
        self.screen.lock().begin(controls.measured(), controls.rate());
    }

    fn second(&mut self, second: &Second, moment: &Moment<'_>) {
        self.screen.lock().second(second, moment);
    }
}
