//! Spans of real gates and tablets, as an OpenTelemetry collector receives them.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use parking_lot::Mutex;
use prost::Message;
use tokio::time::Instant;
use vitrail_client::Query;
use vitrail_harness::flavours;
use vitrail_trials::rig::{Plan, Rig};

const VITRAIL: &str = env!("CARGO_BIN_EXE_vitrail");

/// The client's own span.
const CLIENT: &str = "b7ad6b7169203331";

/// A span, and whose it is.
#[derive(Debug, Clone)]
struct Received {
    service: String,
    span: Span,
}

impl Received {
    fn attribute(&self, name: &str) -> String {
        text(&self.span.attributes, name)
    }

    fn failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
    }

    fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    fn is(&self, service: &str, name: &str) -> bool {
        self.service == service && self.span.name == name
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()).and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// A collector: it takes OTLP over HTTP, compressed, and keeps what came.
#[derive(Clone, Default)]
struct Collector {
    received: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    async fn start() -> (Collector, SocketAddr) {
        let collector = Collector::default();
        let kept = collector.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            kept.take(&headers, &body);
            async { ExportTraceServiceResponse::default().encode_to_vec() }
        };
        let router = axum::Router::new().route("/v1/traces", axum::routing::post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (collector, address)
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["content-encoding"], "gzip");
        assert_eq!(headers["x-tenant"], "tests");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        for resource in ExportTraceServiceRequest::decode(plain.as_slice()).unwrap().resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            assert_eq!(text(&attributes, "deployment.environment.name"), "test");
            assert_eq!(text(&attributes, "service.version"), env!("CARGO_PKG_VERSION"));
            let service = text(&attributes, "service.name");
            for scope in resource.scope_spans {
                let spans = scope.spans.into_iter().map(|span| Received { service: service.clone(), span });
                self.received.lock().extend(spans);
            }
        }
    }

    /// Each trace, its spans in the order of their beginnings.
    fn traces(&self) -> HashMap<String, Vec<Received>> {
        let mut traces: HashMap<String, Vec<Received>> = HashMap::new();
        for received in self.received.lock().iter() {
            traces.entry(hex(&received.span.trace_id)).or_default().push(received.clone());
        }
        for spans in traces.values_mut() {
            spans.sort_by_key(|received| received.span.start_time_unix_nano);
        }
        traces
    }
}

fn environment(collector: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=tests".into()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test".into()),
        // What comes was sent at the end.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000".into()),
    ]
}

fn traceparent(trace: u8, flags: &str) -> String {
    format!("00-{}-{CLIENT}-{flags}", hex(&[trace; 16]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_client_to_every_mysql() {
    let (collector, address) = Collector::start().await;
    let plan = Plan { apart: true, environment: environment(address), ..Plan::new(flavours()[0]) };
    let rig = Rig::start(Path::new(VITRAIL), plan).await;
    let client = rig.client().await;
    let traced = |sql: &str, trace, flags: &str| Query::new(sql).traceparent(traceparent(trace, flags));
    client
        .query_all(traced("SELECT SUM(balance) FROM account WHERE balance > -8765432187654321", 1, "01"), ())
        .await
        .unwrap();
    client.query_all(traced("SELECT id FROM account WHERE nothing = 8765432187654321", 2, "01"), ()).await.unwrap_err();
    client.query_all(traced("SELECT COUNT(*) FROM ledger", 3, "00"), ()).await.unwrap();
    let mut transaction = client.begin().await.unwrap();
    transaction
        .execute(traced("UPDATE account SET balance = balance + 8765432187654321 WHERE id = 1", 4, "01"), ())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    drop(client);
    rig.stop().await;

    let mut traces = collector.traces();
    assert!(!format!("{traces:?}").contains("8765432187654321"), "a literal is not told: {traces:#?}");

    // A statement on two shards: request, statement and plan at the gate, then for each shard a request at its tablet.
    let scattered = traces.remove(&hex(&[1; 16])).unwrap();
    let only = |service, name| {
        let mut found = scattered.iter().filter(|received| received.is(service, name));
        let one = found.next().unwrap_or_else(|| panic!("{service} sent no {name}: {scattered:#?}"));
        assert!(found.next().is_none(), "{service} sent more than one {name}: {scattered:#?}");
        one
    };
    let request = only("vitrail-gate", "request");
    assert_eq!((request.parent().as_str(), request.span.kind()), (CLIENT, SpanKind::Server));
    assert_eq!((request.attribute("op").as_str(), request.attribute("user").as_str()), ("execute", "app"));
    let statement = only("vitrail-gate", "statement");
    assert_eq!((statement.parent(), statement.attribute("kind").as_str()), (request.id(), "select"));
    assert_eq!(only("vitrail-gate", "plan").parent(), statement.id());
    let mut shards = Vec::new();
    for shard in scattered.iter().filter(|received| received.is("vitrail-gate", "shard")) {
        assert_eq!((shard.parent(), shard.span.kind()), (statement.id(), SpanKind::Client));
        let child = |service: &str, name: &str, parent: &Received| {
            let found =
                scattered.iter().find(|received| received.is(service, name) && received.parent() == parent.id());
            found.unwrap_or_else(|| panic!("no {name} in {parent:?}: {scattered:#?}")).clone()
        };
        let at_tablet = child("vitrail-tablet", "request", shard);
        assert_eq!(at_tablet.span.kind(), SpanKind::Server);
        let mysql = child("vitrail-tablet", "mysql", &at_tablet);
        assert_eq!((mysql.attribute("db.system.name").as_str(), mysql.span.kind()), ("mysql", SpanKind::Client));
        assert_eq!(mysql.attribute("shard"), shard.attribute("shard"));
        assert!(shard.span.end_time_unix_nano >= shard.span.start_time_unix_nano);
        shards.push(mysql.attribute("shard"));
    }
    shards.sort();
    assert_eq!(shards, ["-80", "80-"]);
    assert!(scattered.iter().all(|received| !received.failed()), "{scattered:#?}");

    // An error is told by its code, at the gate and where it arose.
    let failed = traces.remove(&hex(&[2; 16])).unwrap();
    for (service, name) in [("vitrail-gate", "request"), ("vitrail-tablet", "request"), ("vitrail-tablet", "mysql")] {
        let told = failed.iter().any(|received| {
            received.is(service, name) && received.failed() && received.attribute("error.type") == "not_found"
        });
        assert!(told, "{service} does not say that its {name} failed: {failed:#?}");
    }

    // The client's choice not to sample holds everywhere.
    assert!(!traces.contains_key(&hex(&[3; 16])), "{traces:#?}");

    // What comes without a trace begins one, and it reaches MySQL, too.
    assert_eq!(traces.remove(&hex(&[4; 16])).map(|spans| spans[0].parent()), Some(CLIENT.into()));
    let commit = traces
        .values()
        .find(|spans| spans.iter().any(|received| received.attribute("op") == "commit"))
        .unwrap_or_else(|| panic!("no trace of the commit: {traces:#?}"));
    let names: Vec<(&str, &str)> =
        commit.iter().map(|received| (received.service.as_str(), received.span.name.as_str())).collect();
    let expected = ["request", "shard"].map(|name| ("vitrail-gate", name));
    assert_eq!(names[..2], expected);
    assert_eq!(names[2..], ["request", "mysql"].map(|name| ("vitrail-tablet", name)));
    assert_eq!(commit[0].parent(), "");
    for pair in commit.windows(2) {
        assert_eq!(pair[1].parent(), pair[0].id(), "{commit:#?}");
    }
}

/// A collector that never answers disturbs nobody, and an end does not wait for it for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_does_not_answer_is_nobodys_trouble() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut environment = environment(silent.local_addr().unwrap());
    environment.retain(|(name, _)| *name != "OTEL_BSP_SCHEDULE_DELAY");
    environment.push(("OTEL_BSP_SCHEDULE_DELAY", "10".into()));
    environment.push(("OTEL_BSP_MAX_QUEUE_SIZE", "64".into()));
    environment.push(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16".into()));
    let rig = Rig::start(Path::new(VITRAIL), Plan { environment, ..Plan::new(flavours()[0]) }).await;
    let client = rig.client().await;
    for id in (1..=200_i64).cycle().take(500) {
        client.query_one("SELECT balance FROM account WHERE id = :v1", (id,)).await.unwrap();
    }
    drop(client);
    let stopping = Instant::now();
    rig.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(20), "it took {:?}", stopping.elapsed());
}

#[test]
fn what_cannot_be_exported_is_said_at_the_start() {
    let run = |variable: &str, value: &str| {
        let output = Command::new(VITRAIL)
            .args(["gate", "--config", "/nowhere.toml"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
            .env(variable, value)
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let grpc = run("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert!(
        grpc.contains("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\"; this program sends spans as http/protobuf"),
        "{grpc}"
    );
    let endpoint = run("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no address");
    assert!(endpoint.contains("spans cannot be exported: "), "{endpoint}");
    // What can be done without is a warning.
    let compression = run("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
    assert!(compression.contains("WARN") && compression.contains("OTEL_EXPORTER_OTLP_COMPRESSION"), "{compression}");
    assert!(compression.contains("/nowhere.toml"), "{compression}");
    // Switched off, nothing of this counts, and the command goes on to its next error.
    for (variable, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let text = run(variable, value);
        assert!(text.contains("/nowhere.toml"), "{text}");
    }
}
