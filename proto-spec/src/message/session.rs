//! What a session and a transaction are told: parts of REQUEST and REPLY.

use crate::document::{Field, Fields, Writer, shortened};
use crate::error::ProtocolError;
use crate::limits::{MAX_NAMES, MAX_SESSION_BYTES, MAX_VARIABLE_NAME};
use crate::message::request::target_of;
use crate::target::Target;

/// What a session begins with, or what it has become. `open` accepts the whole of what an `end` reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionState {
    /// Where its statements go.
    pub target: Option<Target>,
    /// `@@autocommit`.
    pub autocommit: Option<bool>,
    /// "Affected" counts matched rows instead of changed ones.
    pub found_rows: Option<bool>,
    /// Settings by lower-case system variable name, each the text of an SQL literal (`'+00:00'`, `100`).
    pub variables: Vec<(String, String)>,
    /// User variables by lower-case name without `@`, each the text of an SQL literal; `NULL`: none.
    pub user_variables: Vec<(String, String)>,
    /// Statements that the session has prepared by `PREPARE`, by lower-case name; an empty text: none.
    pub prepared: Vec<(String, String)>,
    /// `LAST_INSERT_ID()`
    pub last_insert_id: Option<u64>,
}

/// What a statement sees of its session besides settings, and what became of it: parts of REQUEST and REPLY between gates and tablets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SessionValues {
    /// User variables that the statement names, as [`SessionState::user_variables`].
    pub user_variables: Vec<(String, String)>,
    /// `LAST_INSERT_ID()`, if the statement calls it.
    pub last_insert_id: Option<u64>,
    /// `FOUND_ROWS()`, if it is asked for.
    pub found_rows: Option<u64>,
    /// Answer what is named here as it is after the statement.
    pub back: bool,
    /// All other user variables are NULL, as far as the statement may see: it runs stored code. Statements that write always may.
    pub whole: bool,
}

/// How a transaction begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BeginOptions {
    /// Isolation level of this transaction only.
    pub isolation: Option<Isolation>,
    /// `READ ONLY` or `READ WRITE`.
    pub read_only: Option<bool>,
    /// `WITH CONSISTENT SNAPSHOT`.
    pub snapshot: bool,
    /// How it may commit over shards.
    pub mode: Option<CommitMode>,
    /// Rolled back when it is older than this.
    pub max_ms: Option<u32>,
}

/// Isolation levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// `READ UNCOMMITTED`
    ReadUncommitted,
    /// `READ COMMITTED`
    ReadCommitted,
    /// `REPEATABLE READ`
    RepeatableRead,
    /// `SERIALIZABLE`
    Serializable,
}

impl Isolation {
    /// As SQL, and as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "READ UNCOMMITTED",
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }

    /// The level of a name as SQL writes it.
    pub fn parse(name: &str) -> Option<Isolation> {
        [Isolation::ReadUncommitted, Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable]
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(name))
    }
}

/// How a transaction over several shards commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CommitMode {
    /// More than one shard is refused.
    Single,
    /// One shard after the other; a failure in between leaves a part committed and says so.
    #[default]
    Multi,
    /// Atomic.
    TwoPc,
}

impl CommitMode {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            CommitMode::Single => "single",
            CommitMode::Multi => "multi",
            CommitMode::TwoPc => "twopc",
        }
    }

    /// The mode of a name.
    pub fn parse(name: &str) -> Option<CommitMode> {
        [CommitMode::Single, CommitMode::Multi, CommitMode::TwoPc].into_iter().find(|mode| mode.as_str() == name)
    }
}

impl SessionState {
    pub(super) fn encode(&self, document: &mut Writer<'_>) {
        if let Some(target) = &self.target {
            document.text("target", &target.to_string());
        }
        if let Some(autocommit) = self.autocommit {
            document.boolean("autocommit", autocommit);
        }
        if let Some(found_rows) = self.found_rows {
            document.boolean("found_rows", found_rows);
        }
        if !self.variables.is_empty() {
            document.document("variables", |variables| {
                for (name, value) in &self.variables {
                    variables.text(name, value);
                }
            });
        }
        encode_texts(document, "user_variables", &self.user_variables);
        encode_texts(document, "prepared", &self.prepared);
        if let Some(id) = self.last_insert_id {
            document.counter("last_insert_id", id);
        }
    }

    pub(super) fn decode(fields: Fields<'_>) -> Result<SessionState, ProtocolError> {
        let (mut target, mut autocommit, mut found_rows, mut variables) = (None, None, None, None);
        let (mut user_variables, mut prepared, mut last_insert_id) = (None, None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "target" => field.put(&mut target, target_of(&field)?)?,
                "autocommit" => field.put(&mut autocommit, field.boolean()?)?,
                "found_rows" => field.put(&mut found_rows, field.boolean()?)?,
                "variables" => field.put(&mut variables, variables_of(field)?)?,
                "user_variables" => field.put(&mut user_variables, texts_of(field)?)?,
                "prepared" => field.put(&mut prepared, texts_of(field)?)?,
                "last_insert_id" => field.put(&mut last_insert_id, field.counter()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(SessionState {
            target,
            autocommit,
            found_rows,
            variables: variables.unwrap_or_default(),
            user_variables: user_variables.unwrap_or_default(),
            prepared: prepared.unwrap_or_default(),
            last_insert_id,
        })
    }
}

impl SessionValues {
    pub(super) fn encode(&self, document: &mut Writer<'_>) {
        encode_texts(document, "user_variables", &self.user_variables);
        for (name, value) in [("last_insert_id", self.last_insert_id), ("found_rows", self.found_rows)] {
            if let Some(value) = value {
                document.counter(name, value);
            }
        }
        document.flag("back", self.back);
        document.flag("whole", self.whole);
    }

    pub(super) fn decode(fields: Fields<'_>) -> Result<SessionValues, ProtocolError> {
        let (mut user_variables, mut last_insert_id, mut found_rows) = (None, None, None);
        let (mut back, mut whole) = (None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "user_variables" => field.put(&mut user_variables, texts_of(field)?)?,
                "last_insert_id" => field.put(&mut last_insert_id, field.counter()?)?,
                "found_rows" => field.put(&mut found_rows, field.counter()?)?,
                "back" => field.put(&mut back, field.boolean()?)?,
                "whole" => field.put(&mut whole, field.boolean()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(SessionValues {
            user_variables: user_variables.unwrap_or_default(),
            last_insert_id,
            found_rows,
            back: back.unwrap_or(false),
            whole: whole.unwrap_or(false),
        })
    }
}

fn encode_texts(document: &mut Writer<'_>, field: &str, texts: &[(String, String)]) {
    if !texts.is_empty() {
        document.document(field, |inner| {
            for (name, text) in texts {
                inner.text(name, text);
            }
        });
    }
}

/// Names, which a session's SQL has chosen, with a text each.
fn texts_of(field: Field<'_>) -> Result<Vec<(String, String)>, ProtocolError> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut bytes = 0;
    for entry in field.document()?.iter() {
        let entry = entry?;
        if entry.name.is_empty() || entry.name.len() > MAX_VARIABLE_NAME {
            return Err(entry.error("a name has 1 to 256 bytes"));
        }
        if texts.iter().any(|(known, _)| known == entry.name) {
            return Err(ProtocolError::DuplicateField(shortened(entry.name)));
        }
        let text = entry.text()?;
        bytes += entry.name.len() + text.len();
        if texts.len() == MAX_NAMES || bytes > MAX_SESSION_BYTES {
            return Err(field.error("has too many entries, or too long ones"));
        }
        texts.push((entry.name.to_owned(), text.to_owned()));
    }
    Ok(texts)
}

fn variables_of(field: Field<'_>) -> Result<Vec<(String, String)>, ProtocolError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for variable in field.document()?.iter() {
        let variable = variable?;
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if variable.name.is_empty() || variable.name.len() > 64 || !variable.name.bytes().all(lower) {
            return Err(variable.error("a variable's name has 1 to 64 lower-case letters, digits or `_`"));
        }
        if variables.iter().any(|(known, _)| known == variable.name) {
            return Err(ProtocolError::DuplicateField(variable.name.to_owned()));
        }
        if variables.len() == MAX_NAMES {
            return Err(field.error("has too many variables"));
        }
        variables.push((variable.name.to_owned(), variable.text()?.to_owned()));
    }
    Ok(variables)
}

impl BeginOptions {
    pub(super) fn encode(&self, document: &mut Writer<'_>) {
        if let Some(isolation) = self.isolation {
            document.text("isolation", isolation.as_str());
        }
        if let Some(read_only) = self.read_only {
            document.boolean("read_only", read_only);
        }
        document.flag("snapshot", self.snapshot);
        if let Some(mode) = self.mode {
            document.text("mode", mode.as_str());
        }
        if let Some(most) = self.max_ms {
            document.integer("max_ms", most.into());
        }
    }

    pub(super) fn decode(fields: Fields<'_>) -> Result<BeginOptions, ProtocolError> {
        let (mut isolation, mut read_only, mut snapshot, mut mode, mut max_ms) = (None, None, None, None, None);
        for field in fields.iter() {
            let field = field?;
            match field.name {
                "isolation" => {
                    let level = Isolation::parse(field.text()?).ok_or_else(|| field.error("is no isolation level"))?;
                    field.put(&mut isolation, level)?
                }
                "read_only" => field.put(&mut read_only, field.boolean()?)?,
                "snapshot" => field.put(&mut snapshot, field.boolean()?)?,
                "mode" => {
                    let known = CommitMode::parse(field.text()?);
                    field.put(&mut mode, known.ok_or_else(|| field.error("must be single, multi or twopc"))?)?
                }
                "max_ms" => field.put(&mut max_ms, field.u32()?)?,
                _ => field.unknown()?,
            }
        }
        Ok(BeginOptions { isolation, read_only, snapshot: snapshot.unwrap_or(false), mode, max_ms })
    }
}
