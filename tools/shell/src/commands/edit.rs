//! `\e`: the last statement in an editor; what is saved stands on the next line.

use super::explain::chosen;
use crate::input::Statement;
use crate::output;
use crate::settings::Settings;
use crate::shell::Shell;

/// The editor of the settings, of the environment, or vi.
pub fn program(settings: &Settings) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match settings.editor.as_str() {
        "" => variable("VISUAL").or_else(|| variable("EDITOR")).unwrap_or_else(|| "vi".into()),
        editor => editor.into(),
    }
}

/// Edits the statement before the command, the last one, or a file.
pub(super) async fn run(shell: &mut Shell, file: &str, before: Option<&Statement>) -> Result<(), String> {
    if !shell.interactive {
        return Err("\\e needs a terminal".into());
    }
    let text = match super::arguments::words(file).into_iter().next() {
        Some(file) => {
            edit(shell, std::path::Path::new(&file)).await?;
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?
        }
        None => {
            let statement = chosen(shell, "", before).map(|statement| statement.text + ";\n").unwrap_or_default();
            let temporary = tempfile::Builder::new().prefix("vitrail-").suffix(".sql").tempfile();
            let temporary = temporary.map_err(|error| format!("cannot create a file to edit: {error}"))?;
            std::fs::write(temporary.path(), statement).map_err(|error| error.to_string())?;
            edit(shell, temporary.path()).await?;
            std::fs::read_to_string(temporary.path()).map_err(|error| error.to_string())?
        }
    };
    shell.prefill = Some(text.trim_end().to_owned());
    Ok(())
}

async fn edit(shell: &Shell, file: &std::path::Path) -> Result<(), String> {
    let program = program(&shell.settings);
    let elsewhere = shell.interrupts.elsewhere();
    let mut command = output::shell(&format!("{program} \"$0\""));
    command.arg(file);
    let status = tokio::task::spawn_blocking(move || command.status()).await;
    drop(elsewhere);
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{program}` ended with {status}")),
        Ok(Err(error)) => Err(format!("cannot start `{program}`: {error}")),
        Err(_) => Err(format!("cannot wait for `{program}`")),
    }
}
