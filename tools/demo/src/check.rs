//! `--check`: walks the tour, and compares each answer with one MySQL.

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::dataset;
use crate::say;
use crate::stage::Stage;
use crate::tour::{self, Answer};

/// Rows of an answer that are shown.
const SHOWN: usize = 5;

/// Walks the tour.
pub(crate) async fn run(stage: &Stage) -> Result<()> {
    let stops = tour::stops(dataset::TOUR);
    let mut session = stage.client().session();
    let mut oracle = stage.oracle().await?;
    let mut different = 0;
    for (index, stop) in stops.iter().enumerate() {
        let started = Instant::now();
        let found = tour::through_vitrail(&mut session, &stop.sql).await?;
        let elapsed = started.elapsed();
        // One MySQL knows no keyspaces: all tables are in one database there.
        let expected = tour::on_mysql(&mut oracle, &stop.sql.replace("agency.", "")).await?;
        say(&format!("\n{:>2}. {}\n    {}", index + 1, stop.title, stop.sql));
        show(&found);
        match found.difference(&expected, tour::is_ordered(&stop.sql)) {
            None => {
                say(&format!("    ✓ {} in {:.1} ms, as one MySQL", found.summary(), elapsed.as_secs_f64() * 1000.0))
            }
            Some(difference) => {
                different += 1;
                say(&format!("    ✗ {difference}"));
            }
        }
    }
    session.close().await?;
    oracle.quit().await;
    let equal = stops.len() - different;
    say(&format!("\n{equal} of {} answers over {} equal those of one MySQL.", stops.len(), stage.describe()));
    if different > 0 {
        bail!("{different} answers differ from one MySQL's");
    }
    Ok(())
}

fn show(answer: &Answer) {
    let Answer::Rows { columns, rows } = answer else { return };
    say(&format!("    | {}", columns.join(" | ")));
    for row in rows.iter().take(SHOWN) {
        let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
        say(&format!("    | {}", cells.join(" | ")));
    }
    if rows.len() > SHOWN {
        say(&format!("    | … {} more", rows.len() - SHOWN));
    }
}
