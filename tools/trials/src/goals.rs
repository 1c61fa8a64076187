//! The goals of the hot path, measured with `vitrail bench`: a table of figures that each keep their bound or do not.
//!
//! Everything that is compared was measured in one run on one machine. Direct MySQL, the forwarder that does nothing, and Vitrail's clients are
//! reached over TCP; Vitrail reaches its MySQL over the Unix socket, gate and tablet are one process.
//!
//! Layout: [`table`] (rows, and how they are written), [`stage`] (a MySQL and a `vitrail serve` under test), [`tool`] (what measures), and what is
//! measured: [`statements`], [`waiting`], [`overload`], [`sessions`], [`allocations`].

pub mod allocations;
pub mod overload;
pub mod sessions;
pub mod stage;
pub mod statements;
pub mod table;
pub mod tool;
pub mod waiting;

use std::path::PathBuf;

use stage::MySql;
use table::Table;
use tool::Tool;
use vitrail_harness::Flavour;

/// Parts of the table, which can be measured one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What point selects and a long result cost, and how many there are.
    Statements,
    /// Many who want the same, or who wait.
    Waiting,
    /// More than the pool can do.
    Overload,
    /// Sessions that are open.
    Sessions,
    /// Allocations of a point select.
    Allocations,
}

impl Part {
    /// All, in the order of measuring.
    pub const ALL: [Part; 5] = [Part::Statements, Part::Waiting, Part::Overload, Part::Sessions, Part::Allocations];

    /// A part by its name, in small letters.
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn parse(name: &str) -> Result<Part, String> {
        let found = Part::ALL.into_iter().find(|part| format!("{part:?}").eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let names = Part::ALL.map(|part| format!("{part:?}").to_lowercase()).join(", ");
            format!("there is no part `{name}`; there are {names}")
        })
    }
}

/// What is measured, with what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What measures, and serves.
    pub tool: Tool,
    /// The server that counts its allocations: this crate's binary `counted`.
    pub counted: Option<PathBuf>,
    /// Whose MySQL.
    pub flavour: Flavour,
    /// Of the table.
    pub parts: Vec<Part>,
}

/// Measures all of it; `note` is told what is being done.
///
/// # Errors
///
/// What could not be measured.
pub async fn measure(plan: &Plan, note: &mut dyn FnMut(&str)) -> Result<Table, String> {
    let tool = &plan.tool;
    // Clients and servers are children of this process.
    vitrail_listener::files::raise_limit().map_err(|error| format!("no more files may be opened: {error}"))?;
    let mut table = Table::new(plan.flavour);
    note(&format!("starting {}", plan.flavour));
    let mysql = MySql::start(plan.flavour).await;
    for part in &plan.parts {
        match part {
            Part::Statements => statements::measure(tool, &mysql, &mut table, note).await?,
            Part::Waiting => waiting::measure(tool, &mysql, &mut table, note).await?,
            Part::Overload => overload::measure(tool, &mysql, &mut table, note).await?,
            Part::Sessions => sessions::measure(tool, &mysql, &mut table, note).await?,
            Part::Allocations => {
                let counted = plan.counted.as_ref().ok_or("allocations are counted by the binary `counted`")?;
                note("allocations of point selects");
                let found = allocations::count(counted, &mysql, 2_000).await?;
                allocations::tell(&mut table, found);
            }
        }
    }
    mysql.stop().await;
    Ok(table)
}
