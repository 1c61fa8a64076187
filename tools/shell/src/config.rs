//! Where the shell keeps its files, and what the configuration file and the environment say.

use std::path::{Path, PathBuf};

use crate::settings::{NAMES, Origin, Settings};

/// Environment variables that give a setting: `VITRAIL_SQL_FORMAT`, `VITRAIL_SQL_MAX_ROWS`.
const PREFIX: &str = "VITRAIL_SQL_";

/// `$XDG_CONFIG_HOME/vitrail/NAME`, by default under `~/.config`.
pub fn config_file(name: &str) -> Option<PathBuf> {
    Some(home("XDG_CONFIG_HOME", ".config")?.join("vitrail").join(name))
}

/// `$XDG_STATE_HOME/vitrail/NAME`, by default under `~/.local/state`.
pub fn state_file(name: &str) -> Option<PathBuf> {
    Some(home("XDG_STATE_HOME", ".local/state")?.join("vitrail").join(name))
}

fn home(variable: &str, default: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(PathBuf::from(std::env::var_os("HOME")?).join(default)),
    }
}

/// Settings from the file (`path`, or the usual one if it is there), then from the environment.
pub fn load(path: Option<&Path>) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let usual = config_file("sql.toml").filter(|file| path.is_none() && file.exists());
    if let Some(file) = path.map(Path::to_owned).or(usual) {
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        read(&text, &mut settings).map_err(|message| format!("{}: {message}", file.display()))?;
    }
    environment(&mut settings, |name| std::env::var(name).ok())?;
    Ok(settings)
}

/// Applies the text of a configuration file: a key a line, named as `\set` names it.
fn read(text: &str, settings: &mut Settings) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    for (name, value) in &table {
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Boolean(true) => "on".into(),
            toml::Value::Boolean(false) => "off".into(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Array(list) => {
                let words: Option<Vec<&str>> = list.iter().map(toml::Value::as_str).collect();
                words.ok_or_else(|| format!("`{name}` lists something that is no text"))?.join(",")
            }
            _ => return Err(format!("`{name}` is neither text, number, switch nor list")),
        };
        settings.set(name, &value, Origin::File).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn environment(settings: &mut Settings, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    // PAGER is everybody's, so the shell's own file is stronger.
    if let Some(pager) = variable("PAGER").filter(|pager| !pager.is_empty())
        && settings.origin("pager") == Origin::Default
    {
        settings.set("pager", &pager, Origin::Environment).map_err(|error| error.to_string())?;
    }
    for (name, _) in NAMES {
        let variable_name = format!("{PREFIX}{}", name.to_ascii_uppercase());
        if let Some(value) = variable(&variable_name) {
            let set = settings.set(name, &value, Origin::Environment);
            set.map_err(|error| format!("{variable_name}: {error}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_the_environment_are_read() {
        let mut settings = Settings::default();
        let text =
            "format = \"csv\"\nsafe = false\nmax_rows = 100\ndangerous = [\"drop\", \"call\"]\npager = \"most\"\n";
        read(text, &mut settings).unwrap();
        let variable = |name: &str| match name {
            "VITRAIL_SQL_FORMAT" => Some("json".to_owned()),
            "PAGER" => Some("more".to_owned()),
            _ => None,
        };
        environment(&mut settings, variable).unwrap();
        let values = ["format", "safe", "max_rows", "dangerous", "pager"].map(|name| settings.get(name));
        assert_eq!(values, ["json", "off", "100", "DROP,CALL", "most"]);
        assert_eq!(settings.origin("format"), Origin::Environment);
    }

    #[test]
    fn a_wrong_file_is_refused() {
        for (text, expected) in [
            ("formt = \"csv\"", "there is no setting `formt`; did you mean `format`?"),
            ("safe = \"perhaps\"", "`safe` cannot be `perhaps`: it is on or off"),
            ("keys = 1.5", "`keys` is neither text, number, switch nor list"),
        ] {
            assert_eq!(read(text, &mut Settings::default()).unwrap_err(), expected);
        }
        assert!(read("= 1", &mut Settings::default()).is_err());
    }
}
