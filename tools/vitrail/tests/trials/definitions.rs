//! DDL while the MySQL of a shard is killed: the failure says where it is done and where not, and the same statement completes it.

use std::time::Duration;

use vitrail_client::{Client, Error, Query};
use vitrail_harness::flavours;
use vitrail_proto::error::Executed;
use vitrail_trials::client::in_time;
use vitrail_trials::quiet;
use vitrail_trials::rig::{self, ACCOUNTS, Plan, Rig};

const LIMIT: Duration = Duration::from_secs(60);

const ALTER: &str = "ALTER TABLE account ADD COLUMN note VARCHAR(20)";

/// Whoever changes tables is an administrator.
async fn administrator(rig: &Rig) -> Client {
    let url = rig.url().replace("vitrail://app@", "vitrail://admin@");
    Client::connect_with(rig::client_config(&url)).await.expect("the gate takes connections")
}

async fn alter(client: &Client) -> Result<u32, Error> {
    client.execute(Query::new(ALTER).deadline(LIMIT), ()).await.map(|outcome| outcome.warnings)
}

/// Whether a shard has the new column, asked past Vitrail.
async fn has_it(rig: &Rig, shard: usize) -> bool {
    let sql = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'account' AND COLUMN_NAME = 'note'";
    rig.shard(shard).await.fetch_cell(sql).await.unwrap().as_deref() == Some("1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddl_that_a_crash_cuts_off_is_completed_by_the_same_statement() {
    for flavour in flavours() {
        for apart in [false, true] {
            let rig = super::start(Plan { apart, ..Plan::new(flavour) }).await;
            // A transaction that has read the table holds the statement up on the second shard.
            let mut reader = rig.shard(1).await;
            reader.execute("BEGIN").await.unwrap();
            reader.fetch_cell("SELECT COUNT(*) FROM account").await.unwrap();
            let client = administrator(&rig).await;
            let altering = tokio::spawn({
                let client = administrator(&rig).await;
                async move { alter(&client).await }
            });
            let waits = "SELECT CONCAT(STATE, ' ', INFO) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%ALTER TABLE%' AND ID <> CONNECTION_ID()";
            quiet::until("one shard has the column and the other one waits", LIMIT, async || {
                let state = rig.servers[1].connect("").await.fetch_cell(waits).await.unwrap().unwrap_or_default();
                let ready = state.contains("metadata lock") && has_it(&rig, 0).await;
                (!ready).then(|| format!("{state}, answered: {}", altering.is_finished()))
            })
            .await;
            rig.servers[1].crash().await;

            let error = in_time("the report", LIMIT, altering).await.unwrap().expect_err("a shard was killed");
            assert_eq!(error.executed(), Executed::Partial, "{error}");
            assert!(error.message().contains("(done on -80; failed on 80-: "), "{error}");

            // While it is away, nothing is changed anywhere.
            let away = in_time("a refusal", LIMIT, alter(&client)).await.expect_err("a shard is away");
            assert_eq!(away.executed(), Executed::No, "{away}");
            assert!(away.message().contains("shard 80- cannot be asked"), "{away}");

            rig.servers[1].restart().await;
            let warnings = in_time("the rest", LIMIT, async {
                loop {
                    match alter(&client).await {
                        Ok(warnings) => break warnings,
                        // Until the tablet has found its MySQL again.
                        Err(error) => assert_eq!(error.executed(), Executed::No, "{error}"),
                    }
                }
            })
            .await;
            assert_eq!(warnings, 1, "the note that names the first shard");
            assert!(has_it(&rig, 0).await && has_it(&rig, 1).await);

            let mut session = client.session();
            let count: i64 = session.query_scalar("SELECT COUNT(*) FROM account WHERE note IS NULL", ()).await.unwrap();
            assert_eq!(count, ACCOUNTS);
            session.execute("UPDATE account SET note = 'x' WHERE id IN (1, 2)", ()).await.unwrap();
            let rows = session.query_all("SELECT * FROM account ORDER BY id LIMIT 2", ()).await.unwrap();
            assert_eq!(rows.len(), 2, "* has the new column");
            let notes: Vec<&[u8]> = rows.iter().filter_map(|row| row.raw(2)).collect();
            assert_eq!(notes, [b"x", b"x"]);
            rig.stop().await;
        }
    }
}
