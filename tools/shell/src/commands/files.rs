//! `\i`, `\o`, `\!`: files and programs.

use super::arguments::words;
use crate::batch;
use crate::output::{self, Output};
use crate::run::Flow;
use crate::shell::Shell;

/// How deep files may include files.
const DEPTH: usize = 16;

/// `\i file`
pub(super) async fn include(shell: &mut Shell, file: &str) -> Result<Flow, String> {
    let name = words(file).into_iter().next().ok_or("\\i takes a file")?;
    if shell.depth >= DEPTH {
        return Err(format!("{name} is not read: files include each other {DEPTH} deep"));
    }
    let opened = std::fs::File::open(&name).map_err(|error| format!("cannot read {name}: {error}"))?;
    // What a file says was decided when it was written: nothing is asked.
    let interactive = std::mem::replace(&mut shell.interactive, false);
    let reading = shell.reading.replace(name);
    shell.depth += 1;
    let flow = batch::read(shell, opened).await;
    shell.depth -= 1;
    shell.reading = reading;
    shell.interactive = interactive;
    shell.catalogue.refresh();
    Ok(flow)
}

/// `\o [file or |program]`
pub(super) fn output(shell: &mut Shell, name: &str) -> Result<(), String> {
    let name = match name.starts_with('|') {
        true => Some(name.to_owned()),
        false => words(name).into_iter().next(),
    };
    let next = name.map_or(Ok(Output::Standard), |name| Output::open(&name))?;
    std::mem::replace(&mut shell.output, next).close()
}

/// `\! command`
pub(super) async fn system(shell: &mut Shell, command: &str) -> Result<(), String> {
    if command.is_empty() {
        return Err("\\! takes a command".into());
    }
    let mut run = output::shell(command);
    let elsewhere = shell.interrupts.elsewhere();
    let status = tokio::task::spawn_blocking(move || run.status()).await;
    drop(elsewhere);
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{command}` ended with {status}")),
        Ok(Err(error)) => Err(format!("cannot start `{command}`: {error}")),
        Err(_) => Err(format!("cannot wait for `{command}`")),
    }
}
