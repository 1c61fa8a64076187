//! The terminal, taken and given back: also after a panic, and when the process is ended by a signal.

use std::io::{BufWriter, Stderr};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use parking_lot::Mutex;
use ratatui::{Frame, Terminal};
use ratatui_crossterm::CrosstermBackend;

/// Standard error: standard output is the report's.
pub(super) type Screen = Terminal<CrosstermBackend<BufWriter<Stderr>>>;

/// A process has one terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Held while a frame is written, so that none is written to a terminal that was given back.
static WRITING: Mutex<()> = Mutex::new(());
static HOOK: Once = Once::new();

/// Takes the terminal.
pub(super) fn take() -> std::io::Result<Screen> {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            previous(info);
        }));
    });
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(std::io::stderr(), EnterAlternateScreen, Hide)?;
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, std::io::stderr())))
}

/// Gives it back, if it was taken.
pub(crate) fn restore() {
    // A panic while a frame is written holds the lock itself.
    let _writing = WRITING.try_lock_for(Duration::from_millis(200));
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nobody left to tell.
        let _ = execute!(std::io::stderr(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Draws a frame, unless the terminal was given back.
pub(super) fn draw(screen: &mut Screen, render: impl FnOnce(&mut Frame<'_>)) -> std::io::Result<()> {
    let _writing = WRITING.lock();
    if TAKEN.load(Ordering::SeqCst) {
        screen.draw(render)?;
    }
    Ok(())
}
