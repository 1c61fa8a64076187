//! Runs a command whose tests share one server of each flavour.
//!
//! `vitrail-harness COMMAND [ARGUMENT …]`; the exit status is the command's. The servers end with this process, however it ends.

use std::process::{ExitCode, exit};

use tokio::process::Command;
use vitrail_harness::Run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        say("usage: vitrail-harness COMMAND [ARGUMENT ...]");
        return ExitCode::from(2);
    };
    let run = match Run::start().await {
        Ok(run) => run,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    let (name, value) = run.variable();
    let mut child = match Command::new(&program).args(arguments).env(name, value).spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&format!("cannot run {}: {error}", program.display()));
            return ExitCode::from(127);
        }
    };
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            // A terminal sends Ctrl-C to the command as well: wait for it.
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    run.stop().await;
    match status {
        Ok(status) => exit(status.code().unwrap_or(1)),
        Err(error) => {
            say(&format!("cannot wait for {}: {error}", program.display()));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command-line program talks to people on standard error")]
fn say(message: &str) {
    eprintln!("vitrail-harness: {message}");
}
