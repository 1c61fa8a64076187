//! Runs what is not typed: arguments, files, standard input. The first failure ends it, unless told otherwise.

use std::io::Read;

use crate::commands;
use crate::exit::Exit;
use crate::input::{Input, Splitter};
use crate::run::{self, Flow};
use crate::shell::Shell;
use crate::terminal::say;

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// Runs one statement or command.
pub async fn one(shell: &mut Shell, input: &Input) -> Flow {
    match input {
        Input::Statement(statement) => run::statement(shell, statement).await,
        Input::Command { text, before, .. } => commands::run(shell, text, before.as_ref()).await,
    }
}

/// Runs a list. With `force` a failure is kept for the end.
async fn all(shell: &mut Shell, inputs: Vec<Input>, kept: &mut Flow) -> Flow {
    for input in inputs {
        match one(shell, &input).await {
            Flow::Done => {}
            failed @ Flow::Failed(Exit::Statement | Exit::Usage) if shell.force => *kept = failed,
            other => return other,
        }
    }
    Flow::Done
}

/// Runs texts, each complete in itself.
pub async fn texts(shell: &mut Shell, texts: &[String]) -> Flow {
    let mut kept = Flow::Done;
    for text in texts {
        match all(shell, Splitter::all(text), &mut kept).await {
            Flow::Done => {}
            other => return other,
        }
    }
    kept
}

/// Reads piece by piece, so that a statement runs as soon as it is complete, and long input needn't fit into memory.
pub async fn read(shell: &mut Shell, mut input: impl Read) -> Flow {
    let mut splitter = Splitter::default();
    let mut kept = Flow::Done;
    let mut pending = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                say(&format!("cannot read {}: {error}", name(shell)));
                return Flow::Failed(Exit::Usage);
            }
        };
        pending.extend_from_slice(&piece[..read]);
        let whole = match std::str::from_utf8(&pending) {
            Ok(_) => pending.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => {
                say(&format!("{} is not UTF-8 text", name(shell)));
                return Flow::Failed(Exit::Usage);
            }
        };
        let text: Vec<u8> = pending.drain(..whole).collect();
        let text = String::from_utf8(text).expect("checked above");
        match all(shell, splitter.push(&text), &mut kept).await {
            Flow::Done => {}
            other => return other,
        }
    }
    if !pending.is_empty() {
        say(&format!("{} ends inside a character", name(shell)));
        return Flow::Failed(Exit::Usage);
    }
    match all(shell, splitter.finish(), &mut kept).await {
        Flow::Done => kept,
        other => other,
    }
}

fn name(shell: &Shell) -> &str {
    shell.reading.as_deref().unwrap_or("the input")
}
