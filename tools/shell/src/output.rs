//! Where results go: standard output, through a pager if they are long, a file, or another program.

use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::process::{Child, Command, Stdio};

use crate::interrupt::{During, Interrupts};

/// Bytes collected before they are written out.
const BUFFER: usize = 64 << 10;

/// Where results go from now on.
#[derive(Debug, Default)]
pub enum Output {
    /// Standard output.
    #[default]
    Standard,
    /// A file that `\o` opened.
    File {
        /// As given.
        name: String,
        /// Written to by each result in turn.
        file: BufWriter<File>,
    },
    /// A program that `\o |` started.
    Program {
        /// As given.
        name: String,
        /// Reads the results.
        child: Child,
    },
}

impl Output {
    /// A file, or a program after `|`.
    pub fn open(name: &str) -> Result<Output, String> {
        match name.strip_prefix('|') {
            Some(command) => {
                let child = shell(command.trim()).stdin(Stdio::piped()).spawn();
                let child = child.map_err(|error| format!("cannot start `{}`: {error}", command.trim()))?;
                Ok(Output::Program { name: command.trim().into(), child })
            }
            None => {
                let file = File::create(name).map_err(|error| format!("cannot create {name}: {error}"))?;
                Ok(Output::File { name: name.into(), file: BufWriter::with_capacity(BUFFER, file) })
            }
        }
    }

    /// Results are seen at once.
    pub fn is_standard(&self) -> bool {
        matches!(self, Output::Standard)
    }

    /// Ends it: what is collected is written, a program is waited for.
    pub fn close(self) -> Result<(), String> {
        match self {
            Output::Standard => Ok(()),
            Output::File { name, mut file } => file.flush().map_err(|error| format!("cannot write to {name}: {error}")),
            Output::Program { name, mut child } => {
                drop(child.stdin.take());
                match child.wait() {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => Err(format!("`{name}` ended with {status}")),
                    Err(error) => Err(format!("`{name}`: {error}")),
                }
            }
        }
    }
}

/// A command line for the user's shell.
pub fn shell(command: &str) -> Command {
    let mut run = Command::new("/bin/sh");
    run.arg("-c").arg(command);
    run
}

/// Takes one result.
pub enum Sink<'a> {
    /// Written as it comes.
    Direct(BufWriter<Stdout>),
    /// Held until it is longer than the screen.
    Paged(Paged),
    /// To where `\o` said.
    Elsewhere(&'a mut dyn Write),
}

impl<'a> Sink<'a> {
    /// For a result on `output`. `pager`: the program and the lines of the screen, where it may be used.
    pub fn new(output: &'a mut Output, pager: Option<(&str, usize)>, interrupts: &Interrupts) -> Sink<'a> {
        match output {
            Output::Standard => match pager {
                Some((command, lines)) => Sink::Paged(Paged::new(command, lines, interrupts)),
                None => Sink::Direct(BufWriter::with_capacity(BUFFER, io::stdout())),
            },
            Output::File { file, .. } => Sink::Elsewhere(file),
            Output::Program { child, .. } => match &mut child.stdin {
                Some(stdin) => Sink::Elsewhere(stdin),
                None => Sink::Direct(BufWriter::with_capacity(BUFFER, io::stdout())),
            },
        }
    }

    /// The result is written; waits until a pager was left.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Sink::Direct(mut out) => out.flush(),
            Sink::Paged(paged) => paged.finish(),
            Sink::Elsewhere(out) => out.flush(),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Direct(out) => out.write(bytes),
            Sink::Paged(out) => out.write(bytes),
            Sink::Elsewhere(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Direct(out) => out.flush(),
            Sink::Paged(out) => out.flush(),
            Sink::Elsewhere(out) => out.flush(),
        }
    }
}

/// Holds a result until it is longer than the screen, then starts the pager with it.
pub struct Paged {
    command: String,
    /// Lines that fit on the screen together with the prompt.
    lines: usize,
    held: Vec<u8>,
    held_lines: usize,
    interrupts: Interrupts,
    pager: Option<(Child, During)>,
}

impl Paged {
    fn new(command: &str, lines: usize, interrupts: &Interrupts) -> Paged {
        Paged {
            command: command.into(),
            lines,
            held: Vec::new(),
            held_lines: 0,
            interrupts: interrupts.clone(),
            pager: None,
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let mut child = shell(&self.command).stdin(Stdio::piped()).spawn()?;
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(&std::mem::take(&mut self.held))?;
        }
        self.pager = Some((child, self.interrupts.elsewhere()));
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        match &mut self.pager {
            Some((child, _)) => {
                drop(child.stdin.take());
                child.wait().map(drop)
            }
            None => {
                let mut out = io::stdout().lock();
                out.write_all(&self.held)?;
                out.flush()
            }
        }
    }
}

impl Drop for Paged {
    /// A statement that failed half way: what came of it stays readable until the pager is left.
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.pager {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some((child, _)) = &mut self.pager {
            return match &mut child.stdin {
                Some(stdin) => stdin.write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
        }
        self.held.extend_from_slice(bytes);
        self.held_lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        if self.held_lines > self.lines || self.held.len() > 4 * BUFFER {
            self.start()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_to_files_and_programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.txt");
        for name in [file.display().to_string(), format!("| cat > {}", file.display())] {
            let mut output = Output::open(&name).unwrap();
            assert!(!output.is_standard());
            for text in ["one\n", "two\n"] {
                let mut sink = Sink::new(&mut output, Some(("false", 1)), &Interrupts::default());
                sink.write_all(text.as_bytes()).unwrap();
                sink.finish().unwrap();
            }
            output.close().unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntwo\n", "{name}");
        }
        assert!(Output::open("/nonexistent/x").unwrap_err().contains("/nonexistent/x"));
        assert_eq!(Output::open("|exit 3").unwrap().close().unwrap_err(), "`exit 3` ended with exit status: 3");
    }

    #[test]
    fn the_pager_gets_what_is_longer_than_the_screen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paged");
        let command = format!("cat > {}", file.display());
        let text = "line\n".repeat(3);
        let mut paged = Paged::new(&command, 2, &Interrupts::default());
        paged.write_all(text.as_bytes()).unwrap();
        paged.write_all(b"more\n").unwrap();
        paged.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{text}more\n"));
    }
}
