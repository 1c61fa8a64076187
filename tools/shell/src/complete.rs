//! Completion by Tab: what may stand at the cursor, from the catalogue, the shell's own commands and the words of SQL.

pub mod catalogue;
mod context;

use std::sync::Arc;

use nu_ansi_term::Style;
use parking_lot::RwLock;
use reedline::{Completer, Span, Suggestion};

use crate::commands;
use crate::keywords::{CLAUSES, FUNCTIONS, VERBS};
use crate::lexing::quoted;
use crate::settings;
use crate::terminal::dim;
use catalogue::{Catalogue, ColumnName, Names};
use context::{Context, TableName, Wanted};

/// What completion takes from the shell; the prompt renews it before each line.
#[derive(Clone, Default)]
pub struct Around {
    /// Names of the cluster.
    pub catalogue: Option<Arc<Catalogue>>,
    /// The session's keyspace.
    pub keyspace: Option<String>,
    /// Names of favourites.
    pub favourites: Vec<String>,
    /// All that is typed: the editor gives a completer what stands before the cursor only. Written by the highlighter.
    pub typed: String,
}

/// The completer of the prompt.
pub struct SqlCompleter {
    around: Arc<RwLock<Around>>,
}

/// Something that could be typed.
struct Offer {
    value: String,
    description: String,
    /// Goes after those with a lower one.
    rank: u8,
}

impl Offer {
    fn new(value: impl Into<String>, description: impl Into<String>, rank: u8) -> Offer {
        Offer { value: value.into(), description: description.into(), rank }
    }
}

impl SqlCompleter {
    /// A completer that reads `around` at each Tab.
    pub fn new(around: Arc<RwLock<Around>>) -> SqlCompleter {
        SqlCompleter { around }
    }
}

impl Completer for SqlCompleter {
    fn complete(&mut self, line: &str, cursor: usize) -> Vec<Suggestion> {
        let around = self.around.read().clone();
        let whole = if around.typed.starts_with(line) { &around.typed } else { line };
        let (start, offers) = offers(whole, cursor, &around);
        let suggestions = offers.into_iter().map(|offer| Suggestion {
            value: offer.value,
            description: (!offer.description.is_empty()).then_some(offer.description),
            style: (offer.rank > 1).then(|| Style::new().dimmed()),
            span: Span::new(start, cursor),
            append_whitespace: false,
            ..Suggestion::default()
        });
        suggestions.collect()
    }
}

/// What may stand at the cursor, best first, and where the word begins that it replaces.
fn offers(line: &str, cursor: usize, around: &Around) -> (usize, Vec<Offer>) {
    let Some(before) = line.get(..cursor) else { return (cursor, Vec::new()) };
    let names = around.catalogue.as_ref().map(|catalogue| catalogue.names()).unwrap_or_default();
    if before.trim_start().starts_with('\\') {
        return of_command(before, &names, around);
    }
    let context = Context::at(line, cursor);
    let lower = context.word.starts_with(|first: char| first.is_ascii_lowercase());
    let words = |list: &[&str], rank| {
        let cased = list.iter().map(|word| if lower { word.to_ascii_lowercase() } else { (*word).to_owned() });
        cased.map(|word| Offer::new(word, "", rank)).collect::<Vec<_>>()
    };
    let mut list = match &context.wanted {
        Wanted::Nothing => Vec::new(),
        Wanted::Verb => words(VERBS, 1),
        Wanted::Keyspace => keyspaces(&names),
        Wanted::Table { keyspace } => tables(&names, keyspace.as_deref().or(around.keyspace.as_deref()), 0)
            .into_iter()
            .chain(if keyspace.is_none() { keyspaces(&names) } else { Vec::new() })
            .collect(),
        Wanted::ColumnOf { qualifier } => columns_of(qualifier, &context.tables, &names, around),
        Wanted::ColumnOnly { table } => columns(table, &names, around),
        Wanted::Value => {
            let mut list: Vec<Offer> = context.tables.iter().flat_map(|table| columns(table, &names, around)).collect();
            for table in &context.tables {
                let name = table.alias.as_ref().unwrap_or(&table.name);
                list.push(Offer::new(quoted(name), "table", 1));
            }
            let functions = FUNCTIONS.iter().map(|name| if lower { name.to_ascii_lowercase() } else { (*name).into() });
            list.extend(functions.map(|name| Offer::new(format!("{name}("), "function", 2)));
            list.extend(words(CLAUSES, 3));
            list
        }
        Wanted::Clause => words(CLAUSES, 1),
    };
    keep(&mut list, &context.word);
    (context.start, list)
}

/// Keeps what begins like the word, or has it inside where nothing begins so; best first, each once.
fn keep(list: &mut Vec<Offer>, word: &str) {
    let word = word.to_lowercase();
    let bare = |offer: &Offer| offer.value.trim_start_matches('`').to_lowercase();
    let begins = |offer: &Offer| bare(offer).starts_with(&word);
    if list.iter().any(begins) {
        list.retain(begins);
    } else {
        list.retain(|offer| offer.rank == 0 && bare(offer).contains(&word));
    }
    list.sort_by_cached_key(|offer| (offer.rank, bare(offer)));
    let mut seen = std::collections::HashSet::new();
    list.retain(|offer| seen.insert(offer.value.clone()));
}

fn keyspaces(names: &Names) -> Vec<Offer> {
    let described = |count: usize| if count == 1 { "unsharded".to_owned() } else { format!("{count} shards") };
    let offers =
        names.keyspaces.iter().map(|(name, keyspace)| Offer::new(quoted(name), described(keyspace.shards.len()), 1));
    offers.collect()
}

fn tables(names: &Names, keyspace: Option<&str>, rank: u8) -> Vec<Offer> {
    let keyspace = keyspace.and_then(|name| Some((name, names.keyspaces.get(name)?)));
    let of = |(name, keyspace): (&str, &catalogue::Keyspace)| -> Vec<Offer> {
        keyspace.tables.keys().map(|table| Offer::new(quoted(table), format!("table of {name}"), rank)).collect()
    };
    keyspace.map(of).unwrap_or_default()
}

fn columns_of(qualifier: &str, tables_named: &[TableName], names: &Names, around: &Around) -> Vec<Offer> {
    let is = |table: &&TableName| {
        table.alias.as_deref().unwrap_or(&table.name).eq_ignore_ascii_case(qualifier) || table.name == qualifier
    };
    match tables_named.iter().find(is) {
        Some(table) => columns(table, names, around),
        None if names.keyspaces.contains_key(qualifier) => tables(names, Some(qualifier), 0),
        None => {
            let table = TableName { keyspace: None, name: qualifier.to_owned(), alias: None };
            columns(&table, names, around)
        }
    }
}

/// The columns of a table; where they are not known yet, they are for the next Tab.
fn columns(table: &TableName, names: &Names, around: &Around) -> Vec<Offer> {
    let Some(keyspace) = table.keyspace.as_ref().or(around.keyspace.as_ref()) else { return Vec::new() };
    let Some(tables) = names.keyspaces.get(keyspace).map(|keyspace| &keyspace.tables) else { return Vec::new() };
    let found = tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(&table.name));
    match found {
        Some((_, Some(columns))) => columns.iter().map(column).collect(),
        Some((name, None)) => {
            if let Some(catalogue) = &around.catalogue {
                catalogue.columns_wanted(keyspace, name);
            }
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn column(column: &ColumnName) -> Offer {
    let key = match column.key.as_str() {
        "PRI" => ", primary key",
        "UNI" => ", unique",
        "MUL" => ", indexed",
        _ => "",
    };
    Offer::new(quoted(&column.name), format!("{}{key}", column.kind), 0)
}

/// A backslash command: its name, or what it takes.
fn of_command(before: &str, names: &Names, around: &Around) -> (usize, Vec<Offer>) {
    let begin = before.len() - before.trim_start().len();
    let line = &before[begin..];
    let Some((command, rest)) = line.split_once(char::is_whitespace) else {
        let mut list: Vec<Offer> = commands::ALL
            .iter()
            .map(|command| Offer::new(format!("\\{}", command.names[0]), command.help, 0))
            .collect();
        list.retain(|offer| offer.value.starts_with(line));
        return (begin, list);
    };
    let start = before.len() - rest.rsplit(char::is_whitespace).next().unwrap_or_default().len();
    let word = &before[start..];
    let first = rest.trim_start() == word;
    let current = around.keyspace.as_deref();
    let mut list = match command.trim_start_matches('\\') {
        "d" | "dt" if first => tables(names, current, 0),
        "copy" if first => tables(names, current, 0),
        "copy" => {
            vec![Offer::new("to", "", 0), Offer::new("from", "", 0), Offer::new("csv", "", 1), Offer::new("tsv", "", 1)]
        }
        "u" if first => keyspaces(names),
        "target" if first => targets(names),
        "set" if first => settings::NAMES.iter().map(|(name, help)| Offer::new(*name, *help, 0)).collect(),
        "f" | "fd" if first => around.favourites.iter().map(|name| Offer::new(name, "favourite", 0)).collect(),
        "x" if first => ["auto", "on", "off"].map(|value| Offer::new(value, "", 0)).into(),
        "timing" if first => ["on", "off", "full"].map(|value| Offer::new(value, "", 0)).into(),
        "?" if first => commands::ALL.iter().map(|command| Offer::new(command.names[0], command.help, 0)).collect(),
        "i" | "o" => files(word),
        _ => Vec::new(),
    };
    if matches!(command, "\\copy") && !first {
        list.extend(files(word));
    }
    list.retain(|offer| offer.value.starts_with(word));
    (start, list)
}

/// Every keyspace and shard, as `\target` takes them.
fn targets(names: &Names) -> Vec<Offer> {
    let mut list = Vec::new();
    for (name, keyspace) in &names.keyspaces {
        list.push(Offer::new(name, "keyspace", 0));
        list.extend(keyspace.shards.iter().map(|shard| Offer::new(format!("{name}:{shard}"), "shard", 0)));
    }
    list
}

/// Files and folders that begin with a path.
fn files(word: &str) -> Vec<Offer> {
    let (folder, name) = match word.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), word),
    };
    let Ok(entries) = std::fs::read_dir(if folder.is_empty() { "." } else { &folder }) else { return Vec::new() };
    let mut list: Vec<Offer> = entries
        .flatten()
        .take(1000)
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let shown = file.starts_with(name) && (name.starts_with('.') || !file.starts_with('.'));
            let end = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
            shown.then(|| Offer::new(format!("{folder}{file}{end}"), "", 0))
        })
        .collect();
    list.sort_by(|a, b| a.value.cmp(&b.value));
    list
}

/// How the list below the line looks.
pub fn menu(colour: bool) -> reedline::ReedlineMenu {
    use reedline::{IdeMenu, MenuBuilder};
    let menu = IdeMenu::default()
        .with_name("completion")
        .with_max_completion_height(12)
        .with_max_description_width(48)
        .with_marker("> ")
        .with_text_style(Style::new())
        .with_selected_text_style(if colour { Style::new().reverse() } else { Style::new() })
        .with_description_text_style(if colour { dim() } else { Style::new() });
    reedline::ReedlineMenu::EngineCompleter(Box::new(menu))
}

#[cfg(test)]
mod tests;
