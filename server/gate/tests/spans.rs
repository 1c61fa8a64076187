//! The spans that follow a statement to MySQL.

mod support;

use std::io::Write;
use std::sync::Arc;

use support::{Way, World};
use tracing_subscriber::fmt::format::FmtSpan;
use vitrail_harness::Cluster as Databases;
use vitrail_proto::message::{Op, Request};

const VSCHEMA: &str = r#"{ "sharded": true, "vindexes": { "hash": { "type": "hash" } },
  "tables": { "t": { "column_vindexes": [{ "column": "id", "name": "hash" }] } } }"#;

#[derive(Clone, Default)]
struct Lines(Arc<parking_lot::Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn spans_follow_a_statement_to_every_shard() {
    for flavour in vitrail_harness::flavours() {
        let databases = Databases::new(flavour, 2, "spans").await;
        databases.execute_everywhere(&["CREATE TABLE t (id BIGINT PRIMARY KEY)"]).await;
        let world = World::over(databases, Way::Direct, "spans", VSCHEMA, |_| {}).await;
        world.gate.refresh().await;
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let mut session = world.open();
        let mut request = Request::new(Op::Execute);
        request.sql = Some("SELECT id FROM t WHERE id > 7".into());
        world.request(&mut session, request).await.expect("it runs");
        drop(guard);
        let text = String::from_utf8(lines.0.lock().clone()).expect("text");
        let line = |parts: &[&str]| {
            text.lines().any(|line| {
                let mut rest = line;
                parts.iter().all(|part| match rest.find(part) {
                    Some(at) => {
                        rest = &rest[at + part.len()..];
                        true
                    }
                    None => false,
                })
            })
        };
        let statement = "statement{kind=\"select\" fingerprint=";
        assert!(line(&[statement, ":plan: ", "close"]), "{text}");
        for shard in ["-80", "80-"] {
            let lane = format!("shard{{otel.kind=\"client\" shard=\"{shard}\"}}");
            let mysql = format!(
                ":mysql{{otel.kind=\"client\" db.system.name=\"mysql\" keyspace=\"spans\" shard=\"{shard}\" call="
            );
            assert!(line(&[statement, &lane, &mysql, "close"]), "{text}");
        }
        assert!(!text.contains("> 7"), "a literal is not told: {text}");
    }
}
