//! `\f`, `\fs`, `\fd`: statements under a name, kept in a file.

use std::collections::BTreeMap;
use std::io::Write;

use super::arguments::{first, words};
use super::explain::chosen;
use crate::batch;
use crate::config::config_file;
use crate::input::{Splitter, Statement};
use crate::meaning::is_secret;
use crate::run::Flow;
use crate::shell::Shell;
use crate::terminal::say;

/// Longest name.
const NAME: usize = 64;

/// Names of all favourites, for completion.
pub fn names() -> Vec<String> {
    load().map(|list| list.into_keys().collect()).unwrap_or_default()
}

/// `\fs name [statement]`
pub(super) fn save(shell: &Shell, rest: &str, before: Option<&Statement>) -> Result<(), String> {
    let (name, given) = first(rest);
    let fits = !name.is_empty() && name.len() <= NAME && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    if !fits {
        return Err(format!("\\fs takes a name of at most {NAME} letters, digits, `_`, `-` or `.`"));
    }
    let statement = chosen(shell, given, before).ok_or("\\fs takes a statement, or saves the last one")?;
    if is_secret(&statement.text) {
        return Err("a statement with a password is not saved".into());
    }
    let mut list = load()?;
    list.insert(name.to_owned(), statement.text);
    store(&list)?;
    say(&format!("\\f {name} runs it"));
    Ok(())
}

/// `\fd name`
pub(super) fn forget(name: &str) -> Result<(), String> {
    let mut list = load()?;
    let name = first(name).0;
    list.remove(name).ok_or_else(|| unknown(name, &list))?;
    store(&list)
}

/// `\f [name [values]]`
pub(super) async fn run(shell: &mut Shell, rest: &str) -> Result<Flow, String> {
    let list = load()?;
    let (name, values) = first(rest);
    if name.is_empty() {
        let mut text = String::new();
        for (name, sql) in &list {
            text += &format!("{name:<16} {}\n", sql.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if list.is_empty() {
            say("no favourites yet; \\fs name saves the last statement");
        }
        // Nobody need read it.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(Flow::Done);
    }
    let sql = filled(list.get(name).ok_or_else(|| unknown(name, &list))?, &words(values))?;
    shell.whisper(&sql);
    for input in Splitter::all(&sql) {
        let flow = batch::one(shell, &input).await;
        if flow != Flow::Done {
            return Ok(flow);
        }
    }
    Ok(Flow::Done)
}

/// The statement with `$1`, `$2` … in place.
fn filled(sql: &str, values: &[String]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        let digits: String = rest[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        filled += &rest[..at];
        match digits.parse::<usize>() {
            Ok(number) if number > 0 => {
                filled +=
                    values.get(number - 1).ok_or_else(|| format!("this favourite takes a value for ${number}"))?;
            }
            _ => filled += &rest[at..=at + digits.len()],
        }
        rest = &rest[at + 1 + digits.len()..];
    }
    Ok(filled + rest)
}

fn unknown(name: &str, list: &BTreeMap<String, String>) -> String {
    let near = crate::settings::nearest(name, list.keys().map(String::as_str));
    let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no favourite `{name}`{meant}")
}

fn load() -> Result<BTreeMap<String, String>, String> {
    let Some(file) = config_file("favourites.toml") else { return Ok(BTreeMap::new()) };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(table.into_iter().filter_map(|(name, sql)| Some((name, sql.as_str()?.to_owned()))).collect())
}

/// Written beside and moved, so that it is never half there.
fn store(list: &BTreeMap<String, String>) -> Result<(), String> {
    let file = config_file("favourites.toml").ok_or("there is no folder for favourites: set HOME")?;
    let folder = file.parent().ok_or("there is no folder for favourites")?;
    let table: toml::Table = list.iter().map(|(name, sql)| (name.clone(), toml::Value::from(sql.clone()))).collect();
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(table.to_string().as_bytes())?;
        temporary.persist(&file).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| format!("cannot write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_places() {
        let values = ["'SFO'".to_owned(), "3".to_owned()];
        assert_eq!(filled("select $2, $1, '$', $x", &values).unwrap(), "select 3, 'SFO', '$', $x");
        assert_eq!(filled("select $3", &values).unwrap_err(), "this favourite takes a value for $3");
    }
}
