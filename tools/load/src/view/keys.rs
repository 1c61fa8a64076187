//! What keys do.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::screen::Screen;
use super::terminal;
use crate::report::count;
use crate::run::{Hand, LEAST, MOST};

/// Between two frames: ten a second at most, so that watching costs nothing.
const FRAME: Duration = Duration::from_millis(100);

/// Waits for the next frame, and does what is asked for meanwhile.
pub(super) fn obey(hand: &Hand, screen: &Mutex<Screen>) {
    let until = Instant::now() + FRAME;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(left) {
            Ok(true) => match read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => press(key, hand, screen),
                _ => {}
            },
            // Without keys the picture is still of use, but nobody may spin for it.
            Err(_) => std::thread::park_timeout(left),
            Ok(false) => {}
        }
        if left.is_zero() {
            return;
        }
    }
}

fn press(key: KeyEvent, hand: &Hand, screen: &Mutex<Screen>) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => stop(hand, screen),
        KeyCode::Char('q') | KeyCode::Esc => stop(hand, screen),
        // The same key without Shift.
        KeyCode::Char('+' | '=') => pace(hand, screen, 1.1),
        KeyCode::Char('-' | '_') => pace(hand, screen, 1.0 / 1.1),
        KeyCode::Char('*') => pace(hand, screen, 2.0),
        KeyCode::Char('/') => pace(hand, screen, 0.5),
        KeyCode::Char('0') => {
            if let Some(controls) = hand.controls() {
                controls.set_rate(None);
                screen.lock().paced(None, "as fast as it goes");
            }
        }
        _ => {}
    }
}

fn stop(hand: &Hand, screen: &Mutex<Screen>) {
    if hand.stop() {
        screen.lock().message = "ending: what has begun is waited for; press again to leave at once".into();
    } else {
        terminal::restore();
        std::process::exit(130);
    }
}

/// Changes the rate by a factor; in a closed loop that of what was achieved.
fn pace(hand: &Hand, screen: &Mutex<Screen>, factor: f64) {
    let Some(controls) = hand.controls() else { return };
    let mut screen = screen.lock();
    match controls.rate().or(screen.achieved()) {
        Some(rate) => {
            let rate = (rate * factor).clamp(LEAST, MOST);
            controls.set_rate(Some(rate));
            screen.paced(Some(rate), &format!("{} a second from now on", count(rate)));
        }
        None => screen.message = "nothing is achieved yet that a rate could be set from".into(),
    }
}
