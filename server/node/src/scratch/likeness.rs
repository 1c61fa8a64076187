//! What a shard's server says of itself that decides what statements mean, so that a server of our own answers alike.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrail_mysql::{Connection, Error, Flavour, Version};
use vitrail_proto::error::{Code, ErrorBody};
use vitrail_service::call::{Call, CallId, On, Settings, Statement};
use vitrail_service::execution::Part;
use vitrail_service::{QueryService, Result};

/// Variables that a session begins with and that change answers. Each flavour and version has some of them.
const DECISIVE: [&str; 21] = [
    "block_encryption_mode",
    "character_set_collations",
    "cte_max_recursion_depth",
    "default_collation_for_utf8mb4",
    "default_regex_flags",
    "default_week_format",
    "div_precision_increment",
    "explicit_defaults_for_timestamp",
    "group_concat_max_len",
    "lc_time_names",
    "max_error_count",
    "max_recursive_iterations",
    "max_sort_length",
    "old_mode",
    "regexp_stack_limit",
    "regexp_time_limit",
    "sql_auto_is_null",
    "sql_mode",
    "sql_select_limit",
    "time_zone",
    "windowing_use_high_precision",
];

/// Those that are set by other means, or compared.
const FURTHER: [&str; 2] = ["lower_case_table_names", "system_time_zone"];

/// Whether time zones have names there: their tables are filled by whoever installs a server, or not.
const ZONES: &str = "SELECT 'zones', CONVERT_TZ('2004-01-01 12:00:00', 'UTC', 'Europe/Berlin') IS NOT NULL";

/// How long a shard may take to tell of itself.
const ASKING: Duration = Duration::from_secs(10);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Likeness {
    /// Names in lower case, and values.
    variables: Vec<(String, String)>,
    /// Time zones have names.
    zones: bool,
}

impl Likeness {
    /// That of the first shard that answers.
    ///
    /// # Errors
    ///
    /// No shard answers.
    pub(super) async fn of(shards: &[Arc<dyn QueryService>]) -> Result<Likeness> {
        let mut last = None;
        for shard in shards {
            let told = async {
                let zones = ask(shard.as_ref(), ZONES).await?;
                Ok(Likeness {
                    variables: ask(shard.as_ref(), &variables()).await?,
                    zones: zones.iter().any(|row| row.1 == "1"),
                })
            };
            match told.await {
                Ok(likeness) => return Ok(likeness),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| ErrorBody::new(Code::Unavailable, "there is no shard to be like")))
    }

    /// That of a server.
    pub(super) async fn of_server(connection: &mut Connection) -> std::result::Result<Likeness, Error> {
        let zones = connection.fetch_row(ZONES).await?.into_iter().nth(1).flatten().as_deref() == Some("1");
        let rows = connection.fetch_all(&variables()).await?;
        let variables = rows.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            Some((cells.next()??.to_lowercase(), cells.next()?.unwrap_or_default()))
        });
        Ok(Likeness { variables: variables.collect(), zones })
    }

    /// Whether names differ by letter case, as MySQL counts it.
    pub(super) fn lower_case_table_names(&self) -> &str {
        self.get("lower_case_table_names").unwrap_or("0")
    }

    /// Time zones have names there, and have none on `other`: CONVERT_TZ() would give NULL.
    pub(super) fn has_more_zones(&self, other: &Likeness) -> bool {
        self.zones && !other.zones
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What another server has otherwise, as `name is … there and … here`, and how to mend it.
    pub(super) fn differences(&self, other: &Likeness) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (name, value) in &self.variables {
            let Some(has) = other.get(name) else { continue };
            if has != value && FURTHER.iter().all(|further| further != name) {
                let what = format!("{name} is {}, and {} on the shards", literal(has), literal(value));
                found
                    .push((what, format!("SET GLOBAL {name} = {}, and in the server's configuration", literal(value))));
            }
        }
        let (zone, other_zone) = (self.get("system_time_zone"), other.get("system_time_zone"));
        if self.get("time_zone") == Some("SYSTEM") && zone.map(same_zone) != other_zone.map(same_zone) {
            found.push((
                format!(
                    "the host's time zone is {}, and {} on the shards, whose time_zone is SYSTEM",
                    other_zone.unwrap_or("unknown"),
                    zone.unwrap_or("unknown")
                ),
                "SET GLOBAL time_zone to the same offset, such as '+00:00', on the shards and here".to_owned(),
            ));
        }
        if self.lower_case_table_names() != other.lower_case_table_names() {
            found.push((
                format!(
                    "lower_case_table_names is {}, and {} on the shards",
                    other.lower_case_table_names(),
                    self.lower_case_table_names()
                ),
                "initialise the server with the same lower_case_table_names".to_owned(),
            ));
        }
        found
    }

    /// Gives a server of our own these values, as far as it takes them; what it is like then.
    pub(super) async fn put_on(&self, root: &mut Connection) -> std::result::Result<Likeness, Error> {
        let has = Likeness::of_server(root).await?;
        for (name, value) in &self.variables {
            if DECISIVE.contains(&name.as_str()) && has.get(name).is_some_and(|has| has != value) {
                match root.execute(&format!("SET GLOBAL {name} = {}", literal(value))).await {
                    Err(Error::Server(error)) => {
                        tracing::debug!(error = error.message, name, value, "the scratch server does not take a value")
                    }
                    set => drop(set?),
                }
            }
        }
        Likeness::of_server(root).await
    }
}

/// Flavour and version of the shards that have told.
pub(super) fn flavours(shards: &[Arc<dyn QueryService>]) -> impl Iterator<Item = (Flavour, Version)> {
    shards.iter().map(|shard| shard.info()).filter_map(|info| {
        let flavour = Flavour::parse(&info.flavour)?;
        Some((flavour, Flavour::of_greeting(&info.mysql_version).1))
    })
}

/// The statement that tells the variables.
fn variables() -> String {
    let names: Vec<String> = DECISIVE.iter().chain(&FURTHER).map(|name| format!("'{name}'")).collect();
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", names.join(", "))
}

/// Numbers are bare, all else is quoted: `'ON'` is fine for what is on or off.
fn literal(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''")),
    }
}

fn same_zone(name: &str) -> &str {
    if name == "GMT" { "UTC" } else { name }
}

/// The rows of a statement with two columns, names in lower case.
async fn ask(shard: &dyn QueryService, sql: &str) -> Result<Vec<(String, String)>> {
    let call = Call {
        // Beside those that gates count.
        id: CallId(rand::random::<u64>() | 1 << 63),
        caller: Arc::from("vitrail"),
        application: Arc::default(),
        deadline: Some(Instant::now() + ASKING),
        settings: Arc::<Settings>::default(),
        max_rows: None,
        warnings: 0,
        traceparent: None,
    };
    let mut parts = shard.execute(call, Statement::new(sql, false), On::Pool).await?.parts;
    let mut rows = Vec::new();
    while let Some(part) = parts.next().await? {
        let Part::Rows(batch) = part else { continue };
        for row in batch.rows() {
            let bad = |_| ErrorBody::new(Code::Internal, "a row of variables that cannot be read");
            let cells: Vec<Option<&[u8]>> = row.map_err(bad)?.cells().collect::<Result<_, _>>().map_err(bad)?;
            let text = |at: usize| String::from_utf8_lossy(cells.get(at).copied().flatten().unwrap_or_default());
            rows.push((text(0).to_lowercase(), text(1).into_owned()));
        }
    }
    Ok(rows)
}
