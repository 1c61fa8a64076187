//! Vitrail's own session variables: how a session, or one statement by a directive, wants its statements to be run.
//!
//! [`REGISTRY`] lists them. To add one: a field of [`Preferences`], an entry of the registry, and whoever acts on it reads
//! `calling.preferences`, where the statement's directive and the request have already overridden the session.

use vitrail_proto::error::{Code, ErrorBody};
use vitrail_proto::message::Share;
use vitrail_sql::directive;
use vitrail_sql::normalise::Normalised;

use crate::{failure, settings, variables};

/// What the names begin with in `SET`; directives leave it out.
pub(crate) const PREFIX: &str = "vitrail_";

/// The values of one session or statement. Small: every session holds three of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Preferences {
    /// Whether reads may share an execution; `None`: as the gate is configured.
    pub(crate) share: Option<Share>,
    /// UPDATE and DELETE without WHERE may run.
    pub(crate) allow_full_writes: bool,
    /// Milliseconds that a statement may take whose request brings no deadline; 0: no limit.
    pub(crate) statement_timeout: u32,
}

/// One variable: what it is called, means and takes.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Its whole name.
    pub(crate) name: &'static str,
    /// What it is without SET.
    pub(crate) default: &'static str,
    /// What it may be set to, for people.
    pub(crate) values: &'static str,
    /// One sentence.
    pub(crate) meaning: &'static str,
    /// Takes a value, in lower case and without quotes; `None` if it is none.
    set: fn(&mut Preferences, &str) -> Option<()>,
    /// As `SET` takes it.
    get: fn(&Preferences) -> String,
}

/// All, sorted by name.
pub(crate) const REGISTRY: &[Registered] = &[
    Registered {
        name: "vitrail_allow_full_writes",
        default: "0",
        values: "0, 1",
        meaning: "whether UPDATE and DELETE without WHERE may run",
        set: |all, value| {
            all.allow_full_writes = variables::switch(value)?;
            Some(())
        },
        get: |all| u8::from(all.allow_full_writes).to_string(),
    },
    Registered {
        name: "vitrail_share",
        default: "default",
        values: "off, next, running, default",
        meaning: "whether a read may share one execution with identical reads; default: as the gate is configured",
        set: |all, value| {
            all.share = if value == "default" { None } else { Some(Share::parse(value)?) };
            Some(())
        },
        get: |all| all.share.map_or("default", Share::as_str).to_owned(),
    },
    Registered {
        name: "vitrail_statement_timeout",
        default: "0",
        values: "milliseconds, 0 = no limit",
        meaning: "how long a statement may take whose request brings no deadline",
        set: |all, value| {
            all.statement_timeout = value.parse().ok()?;
            Some(())
        },
        get: |all| all.statement_timeout.to_string(),
    },
];

impl Registered {
    /// The value, as `SET` takes it.
    pub(crate) fn value(&self, preferences: &Preferences) -> String {
        (self.get)(preferences)
    }
}

/// The variable of a lower-case name that begins with [`PREFIX`].
///
/// # Errors
/// 1193 for names that are not registered; it names the nearest.
pub(crate) fn registered(name: &str) -> Result<&'static Registered, ErrorBody> {
    match REGISTRY.binary_search_by_key(&name, |known| known.name) {
        Ok(index) => Ok(&REGISTRY[index]),
        Err(_) => {
            let hint = failure::nearest(name, REGISTRY.iter().map(|known| known.name))
                .map(|near| format!(" (did you mean '{near}'?)"))
                .unwrap_or_default();
            let message =
                format!("there is no variable '{name}'{hint}; SHOW VITRAIL VARIABLES lists those that there are");
            Err(ErrorBody::new(Code::Invalid, message).with_errno(1193, "HY000"))
        }
    }
}

impl Preferences {
    /// Sets one by its name and the text of a literal; `DEFAULT` takes it back.
    ///
    /// # Errors
    /// 1193 for unknown names, 1231 for wrong values.
    pub(crate) fn set(&mut self, name: &str, literal: &str) -> Result<(), ErrorBody> {
        let known = registered(name)?;
        let value = literal.trim_matches('\'').to_ascii_lowercase();
        let value = if value == "default" { known.default } else { &value };
        (known.set)(self, value).ok_or_else(|| {
            let mut error = settings::wrong_value(name, literal);
            error.message = format!("{}; it takes {}", error.message, known.values);
            error
        })
    }

    /// With what the directives before a statement say.
    ///
    /// # Errors
    /// Directives that cannot be read, unknown names, wrong values.
    pub(crate) fn with_directives(mut self, statement: &Normalised) -> Result<Preferences, ErrorBody> {
        if statement.body.start == 0 {
            return Ok(self);
        }
        for (key, value) in directive::parse(statement)? {
            self.set(&format!("{PREFIX}{}", key.to_ascii_lowercase()), value)?;
        }
        Ok(self)
    }

    /// What `open` needs to turn `from` into this.
    pub(crate) fn difference(&self, from: &Preferences) -> Vec<(String, String)> {
        if self == from {
            return Vec::new();
        }
        let changed = REGISTRY.iter().filter(|known| known.value(self) != known.value(from));
        changed.map(|known| (known.name.to_owned(), format!("'{}'", known.value(self)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_its_defaults_are_the_defaults() {
        assert!(REGISTRY.is_sorted_by_key(|known| known.name));
        for known in REGISTRY {
            assert!(known.name.starts_with(PREFIX), "{}", known.name);
            assert_eq!(known.value(&Preferences::default()), known.default, "{}", known.name);
            let mut set = Preferences::default();
            set.set(known.name, "DEFAULT").expect(known.name);
            assert_eq!(set, Preferences::default(), "{}", known.name);
            assert_eq!(set.set(known.name, "'nonsense'").expect_err(known.name).errno, 1231);
        }
        assert!(size_of::<Preferences>() <= 16);
    }

    #[test]
    fn differences_lead_from_one_to_the_other() {
        let mut set = Preferences::default();
        for (name, value) in
            [("vitrail_share", "'Next'"), ("vitrail_allow_full_writes", "ON"), ("vitrail_statement_timeout", "250")]
        {
            set.set(name, value).expect(name);
        }
        for (from, to) in [(Preferences::default(), set), (set, Preferences::default()), (set, set)] {
            let mut reached = from;
            for (name, value) in to.difference(&from) {
                reached.set(&name, &value).expect("told");
            }
            assert_eq!(reached, to);
        }
        assert_eq!(registered("vitrail_sahre").expect_err("unknown").errno, 1193);
    }

    #[test]
    fn directives_override() {
        let read = |sql: &str| vitrail_sql::normalise(sql.into(), vitrail_sql::LexMode::default()).expect(sql);
        let asked =
            Preferences::default().with_directives(&read("/*vitrail share=off, Statement_Timeout=5 */ SELECT 1"));
        let asked = asked.expect("known");
        assert_eq!((asked.share, asked.statement_timeout), (Some(Share::Off), 5));
        for (sql, errno) in [("/*vitrail shade=off */ SELECT 1", 1193), ("/*vitrail share=on */ SELECT 1", 1231)] {
            assert_eq!(Preferences::default().with_directives(&read(sql)).expect_err(sql).errno, errno, "{sql}");
        }
    }
}
