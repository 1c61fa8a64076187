//! The shell's settings: `\set` shows and changes them, the configuration file, the environment and the flags give their first values.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::ValueEnum;

use crate::format::{Expanded, Format};
use crate::meaning::DANGEROUS;

/// Which keys edit a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    /// As in most shells.
    Emacs,
    /// As in vi.
    Vi,
}

/// What is told below a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Timing {
    /// Rows only.
    Off,
    /// Rows, shards and time.
    On,
    /// Also how long was waited for a connection, and what MySQL took.
    Full,
}

/// Where a value comes from; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// A flag.
    Flag,
    /// `\set` and its kin.
    Command,
}

impl Origin {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
            Origin::Flag => "flag",
            Origin::Command => "set here",
        }
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How results are written; `None`: a table on a terminal, else tsv.
    pub format: Option<Format>,
    /// When a table is turned into one column a line.
    pub expanded: Expanded,
    /// What is told below a result.
    pub timing: Timing,
    /// The program that long results go through on a terminal; empty: none.
    pub pager: String,
    /// The program of `\e`; empty: `$VISUAL`, `$EDITOR` or vi.
    pub editor: String,
    /// How NULL is written for people.
    pub null: String,
    /// Ask before what cannot be undone.
    pub safe: bool,
    /// The words asked about.
    pub dangerous: Vec<String>,
    /// Which keys edit a line.
    pub keys: Keys,
    /// The prompt, with `{user}`, `{target}`, `{keyspace}`, `{host}`, `{marks}` and `{tx}`.
    pub prompt: String,
    /// Paint what is typed.
    pub highlight: bool,
    /// Offer the rest of an earlier line.
    pub hints: bool,
    /// Fetch names of tables and columns for completion.
    pub completion: bool,
    /// Texts of warnings shown below a result.
    pub warnings: u32,
    /// Most rows of a result; 0: as many as there are.
    pub max_rows: u64,
    /// Lines kept in the history.
    pub history: usize,
    origins: BTreeMap<&'static str, Origin>,
}

/// A value that a setting does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting of that name.
    #[error("there is no setting `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// As given.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// A value that does not fit.
    #[error("`{name}` cannot be `{value}`: it is {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// As given.
        value: String,
        /// What fits.
        expected: String,
    },
}

/// Each setting's name and what it means.
pub const NAMES: [(&str, &str); 16] = [
    ("format", "table, vertical, json, jsonl, csv, tsv, markdown, sql-insert"),
    ("expanded", "a table too wide becomes one column a line: auto, on, off"),
    ("timing", "what is told below a result: off, on, full"),
    ("pager", "program for results longer than the screen; empty: none"),
    ("editor", "program of \\e; empty: $VISUAL, $EDITOR or vi"),
    ("null", "how NULL is written for people"),
    ("safe", "ask before what cannot be undone: on, off"),
    ("dangerous", "the words asked about; DELETE and UPDATE without WHERE only"),
    ("keys", "which keys edit a line: emacs, vi"),
    ("prompt", "with {user} {target} {keyspace} {host} {marks} {tx}"),
    ("highlight", "paint what is typed: on, off"),
    ("hints", "offer the rest of an earlier line: on, off"),
    ("completion", "fetch names of tables and columns for Tab: on, off"),
    ("warnings", "texts of warnings shown below a result, at most"),
    ("max_rows", "most rows of a result; 0: all"),
    ("history", "lines kept in the history (from the next start)"),
];

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            format: None,
            expanded: Expanded::Auto,
            timing: Timing::On,
            pager: "less -SRFX".into(),
            editor: String::new(),
            null: "NULL".into(),
            safe: true,
            dangerous: DANGEROUS.map(str::to_owned).to_vec(),
            keys: Keys::Emacs,
            prompt: "{user}@{target}{marks}{tx}".into(),
            highlight: true,
            hints: true,
            completion: true,
            warnings: 20,
            max_rows: 0,
            history: 10_000,
            origins: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Changes one, unless it has its value from a stronger origin.
    pub fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), SettingError> {
        let Some(&(name, _)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let nearest = nearest(name, NAMES.iter().map(|(known, _)| *known)).map(str::to_owned);
            return Err(SettingError::Unknown { name: name.into(), nearest });
        };
        if self.origin(name) > origin {
            return Ok(());
        }
        match name {
            "format" if value.is_empty() || value == "auto" => self.format = None,
            "format" => self.format = Some(choice(name, value)?),
            "expanded" => self.expanded = choice(name, value)?,
            "timing" => self.timing = choice(name, value)?,
            "pager" => self.pager = if is_off(value) { String::new() } else { value.into() },
            "editor" => self.editor = value.into(),
            "null" => self.null = value.into(),
            "safe" => self.safe = switch(name, value)?,
            "dangerous" => self.dangerous = words(value),
            "keys" => self.keys = choice(name, value)?,
            "prompt" => self.prompt = value.into(),
            "highlight" => self.highlight = switch(name, value)?,
            "hints" => self.hints = switch(name, value)?,
            "completion" => self.completion = switch(name, value)?,
            "warnings" => self.warnings = number(name, value)?,
            "max_rows" => self.max_rows = number(name, value)?,
            "history" => self.history = number::<u32>(name, value)? as usize,
            _ => unreachable!("every name of NAMES is here: a test sets them all"),
        }
        self.origins.insert(name, origin);
        Ok(())
    }

    /// The value of a setting, as `set` takes it.
    pub fn get(&self, name: &str) -> String {
        let on = |value: bool| if value { "on" } else { "off" }.to_owned();
        match name {
            "format" => self.format.map_or("auto".into(), written),
            "expanded" => written(self.expanded),
            "timing" => written(self.timing),
            "pager" => self.pager.clone(),
            "editor" => self.editor.clone(),
            "null" => self.null.clone(),
            "safe" => on(self.safe),
            "dangerous" => self.dangerous.join(","),
            "keys" => written(self.keys),
            "prompt" => self.prompt.clone(),
            "highlight" => on(self.highlight),
            "hints" => on(self.hints),
            "completion" => on(self.completion),
            "warnings" => self.warnings.to_string(),
            "max_rows" => self.max_rows.to_string(),
            "history" => self.history.to_string(),
            _ => String::new(),
        }
    }

    /// Where a setting's value comes from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }
}

/// The nearest of `known` that is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    scored.filter(|(distance, known)| *distance <= 1 + known.len() / 4).min().map(|(_, known)| known)
}

fn choice<T: ValueEnum>(name: &'static str, value: &str) -> Result<T, SettingError> {
    T::from_str(value, true).map_err(|_| {
        let values: Vec<String> = T::value_variants().iter().map(|known| written(known.clone())).collect();
        SettingError::Value { name, value: value.into(), expected: format!("one of {}", values.join(", ")) }
    })
}

fn written<T: ValueEnum>(value: T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn switch(name: &'static str, value: &str) -> Result<bool, SettingError> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(SettingError::Value { name, value: value.into(), expected: "on or off".into() }),
    }
}

fn is_off(value: &str) -> bool {
    matches!(value, "off" | "false" | "no")
}

fn number<T: FromStr>(name: &'static str, value: &str) -> Result<T, SettingError> {
    let expected = || "a whole number".to_owned();
    value.parse().map_err(|_| SettingError::Value { name, value: value.into(), expected: expected() })
}

fn words(value: &str) -> Vec<String> {
    value.split([',', ' ']).map(|word| word.trim().to_ascii_uppercase()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_set_to_what_it_shows() {
        let mut settings = Settings::default();
        for (name, _) in NAMES {
            let value = settings.get(name);
            settings.set(name, &value, Origin::Command).unwrap();
            assert_eq!(settings.get(name), value, "{name}");
            assert_eq!(settings.origin(name), Origin::Command, "{name}");
        }
    }

    #[test]
    fn stronger_origins_win_in_any_order() {
        let mut settings = Settings::default();
        settings.set("format", "json", Origin::Flag).unwrap();
        settings.set("format", "csv", Origin::File).unwrap();
        assert_eq!(settings.get("format"), "json");
        settings.set("format", "sql-insert", Origin::Command).unwrap();
        assert_eq!(settings.format, Some(Format::SqlInsert));
    }

    #[test]
    fn wrong_names_and_values_are_told() {
        let mut settings = Settings::default();
        let error = |result: Result<(), SettingError>| result.unwrap_err().to_string();
        assert_eq!(
            error(settings.set("timming", "on", Origin::Command)),
            "there is no setting `timming`; did you mean `timing`?"
        );
        assert_eq!(
            error(settings.set("expanded", "maybe", Origin::Command)),
            "`expanded` cannot be `maybe`: it is one of auto, on, off"
        );
        assert_eq!(
            error(settings.set("max_rows", "-1", Origin::Command)),
            "`max_rows` cannot be `-1`: it is a whole number"
        );
        assert_eq!(settings.get("max_rows"), "0");
    }
}
