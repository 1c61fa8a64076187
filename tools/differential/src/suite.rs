//! Suites: a folder of `testdata/sql` each, with a schema, a vschema, rows, and files of cases.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vitrail_harness::Flavour;

use crate::case::{self, Case};
use crate::clause;
use crate::data;

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// The folder's name.
    pub name: String,
    /// Statements that make the tables.
    pub schema: Vec<String>,
    /// More of them for one flavour.
    pub schema_of: Vec<(Flavour, Vec<String>)>,
    /// The vschema as JSON.
    pub vschema: String,
    /// Statements that bring the rows.
    pub rows: Vec<String>,
    /// In the order in which they are run.
    pub cases: Vec<Case>,
}

impl Suite {
    /// Statements that make the tables on a server of `flavour`.
    pub fn schema(&self, flavour: Flavour) -> impl Iterator<Item = &String> {
        let own = self.schema_of.iter().filter(move |(of, _)| *of == flavour);
        self.schema.iter().chain(own.flat_map(|(_, statements)| statements))
    }
}

/// Which cases are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// A part of a file's path below `testdata/sql`.
    pub only: Option<String>,
    /// A part of the statement, in any letter case.
    pub grep: Option<String>,
}

impl Selection {
    fn wants_file(&self, path: &str) -> bool {
        self.only.as_deref().is_none_or(|part| path.contains(part))
    }

    fn wants(&self, case: &Case) -> bool {
        let grep = self.grep.as_deref().map(str::to_lowercase);
        grep.is_none_or(|part| case.sql.to_lowercase().contains(&part))
    }
}

/// The repository's folder of suites.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/sql")
}

/// The suites of `folder` that have wanted cases, by name. A folder without files of its own holds suites.
///
/// # Errors
///
/// A file that cannot be read, with what is wrong in it.
pub fn read(folder: &Path, selection: &Selection) -> Result<Vec<Suite>> {
    read_below(folder, "", selection)
}

/// The suites of a folder; `above` is its path below `testdata/sql`, with a slash behind it.
fn read_below(folder: &Path, above: &str, selection: &Selection) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = name_of(&path);
        if entries(&path)?.iter().all(|entry| entry.is_dir()) {
            suites.extend(read_below(&path, &format!("{above}{name}/"), selection)?);
            continue;
        }
        let files = entries(&path)?.into_iter().filter(|file| file.extension().is_some_and(|end| end == "slt"));
        let mut cases = Vec::new();
        for file in files.filter(|file| selection.wants_file(&format!("{above}{name}/{}", name_of(file)))) {
            let shown = Path::new("testdata/sql").join(above).join(&name).join(name_of(&file));
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            cases.extend(case::parse(&shown, &text)?.into_iter().filter(|case| selection.wants(case)));
        }
        if !cases.is_empty() {
            suites.push(suite(&path, name, cases)?);
        }
    }
    Ok(suites)
}

fn suite(folder: &Path, name: String, cases: Vec<Case>) -> Result<Suite> {
    let source = data::source(&name);
    let text = |file: &str| {
        let path = folder.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (schema, vschema) = match &source.schema {
        Some((schema, vschema)) => ((*schema).to_owned(), (*vschema).to_owned()),
        None => (text("schema.sql")?, text("vschema.json")?),
    };
    let mut rows = (source.rows)()?;
    if folder.join("rows.sql").exists() {
        rows.extend(clause::statements(&text("rows.sql")?));
    }
    let mut schema_of = Vec::new();
    for flavour in Flavour::ALL {
        let file = format!("schema.{}.sql", case::label(flavour));
        if folder.join(&file).exists() {
            schema_of.push((flavour, clause::statements(&text(&file)?)));
        }
    }
    Ok(Suite { name, schema: clause::statements(&schema), schema_of, vschema, rows, cases })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut entries = read().with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
