//! A terminal with a program in it: keys go in, the screen is read.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long something may take to appear, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);
pub const COLUMNS: u16 = 100;
pub const LINES: u16 = 30;

/// A program in a terminal; both end with it.
pub struct Screen {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    _terminal: Box<dyn MasterPty + Send>,
}

struct Seen {
    parser: vt100::Parser,
    ended: bool,
}

impl Screen {
    /// Starts `vitrail sql` with `arguments`, its files below `home`, and waits for the prompt.
    pub fn start(arguments: &[&str], home: &Path, environment: &[(&str, &str)]) -> Screen {
        let screen = Screen::run(&[&["sql"], arguments].concat(), home, environment);
        screen.wait("the prompt", |text| text.ends_with('>'));
        screen
    }

    /// Starts `vitrail` with `arguments`, its files below `home`.
    pub fn run(arguments: &[&str], home: &Path, environment: &[(&str, &str)]) -> Screen {
        let size = PtySize { rows: LINES, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_vitrail"));
        command.args(arguments);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")] {
            command.env(name, value);
        }
        command.env("HOME", home);
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(NonZeroU16::new(LINES).unwrap(), NonZeroU16::new(COLUMNS).unwrap(), 1000);
        let seen = Arc::new((Mutex::new(Seen { parser, ended: false }), Condvar::new()));
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let reader = pair.master.try_clone_reader().unwrap();
        let (watched, answers) = (Arc::clone(&seen), Arc::clone(&keys));
        std::thread::spawn(move || watch(reader, &watched, &answers));
        Screen { seen, keys, child, _terminal: pair.master }
    }

    /// Types text as it is.
    pub fn keys(&self, text: &str) {
        let mut keys = self.keys.lock();
        keys.write_all(text.as_bytes()).unwrap();
        keys.flush().unwrap();
    }

    /// Types a line, and Enter.
    pub fn line(&self, text: &str) {
        self.keys(text);
        self.keys("\r");
    }

    /// What is on the screen, blanks at the ends of lines left out.
    pub fn text(&self) -> String {
        contents(&self.seen.0.lock())
    }

    /// Waits until the screen is as it should be, and gives it back.
    pub fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let until = tokio::time::Instant::now().into_std() + LIMIT;
        let mut seen = self.seen.0.lock();
        loop {
            let text = contents(&seen);
            if is(&text) {
                return text;
            }
            let late = self.seen.1.wait_until(&mut seen, until).timed_out();
            assert!(!late && !seen.ended, "{what} did not appear:\n{}", contents(&seen));
        }
    }

    /// Waits for a text; a blank at its end is not seen on a screen.
    pub fn shows(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text.trim_end()))
    }

    /// Waits for an empty prompt: what is typed in the same breath as Ctrl-C is dropped with it.
    pub fn ready(&self) {
        self.wait("an empty prompt", |text| text.ends_with('>'));
    }

    /// Wipes the screen, so that what is waited for next is new.
    pub fn wipe(&self) {
        self.keys("\x0c");
        self.wait("an empty screen", |text| text.trim().lines().count() <= 1);
    }

    /// Waits until the program has ended; its exit status.
    pub fn end(mut self) -> u32 {
        let until = tokio::time::Instant::now().into_std() + LIMIT;
        let mut seen = self.seen.0.lock();
        while !seen.ended {
            let late = self.seen.1.wait_until(&mut seen, until).timed_out();
            assert!(!late, "it did not end:\n{}", contents(&seen));
        }
        drop(seen);
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn contents(seen: &Seen) -> String {
    let text = seen.parser.screen().contents();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Feeds the terminal, and answers where its cursor is when asked, as a terminal does.
fn watch(mut reader: Box<dyn Read + Send>, seen: &(Mutex<Seen>, Condvar), answers: &Mutex<Box<dyn Write + Send>>) {
    const QUESTION: &[u8] = b"\x1b[6n";
    let mut piece = [0; 4096];
    let mut tail: Vec<u8> = Vec::new();
    while let Ok(read @ 1..) = reader.read(&mut piece) {
        let mut state = seen.0.lock();
        for &byte in &piece[..read] {
            state.parser.process(&[byte]);
            tail.push(byte);
            if tail.ends_with(QUESTION) {
                let (line, column) = state.parser.screen().cursor_position();
                let _ = write!(answers.lock(), "\x1b[{};{}R", line + 1, column + 1);
                tail.clear();
            }
        }
        let keep = tail.len().saturating_sub(QUESTION.len());
        tail.drain(..keep);
        seen.1.notify_all();
    }
    seen.0.lock().ended = true;
    seen.1.notify_all();
}
