//! Every vector of `vectors/` against the crate: decode, compare, encode again.
#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod transcripts;
mod wire;

use std::path::{Path, PathBuf};

use bson::RawBsonRef;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use vitrail_proto::document::{self, Datum, Field, Fields};
use vitrail_proto::error::{Code, ErrorBody, ProtocolError};
use vitrail_proto::limits::{Limits, MAX_BINDS};
use vitrail_proto::message::*;
use vitrail_proto::rows::{Column, RowBatch, columns, fields_hash, pack_columns};
use vitrail_proto::scram::{ClientBinding, ClientExchange, ServerExchange, StoredKeys};
use vitrail_proto::value::{Binds, Value};

use wire::{Wire, side_of};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read(path: &Path) -> Json {
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    serde_json::from_str(&text).expect("vectors are JSON")
}

fn cases(file: &str, least: usize) -> Vec<Json> {
    let Json::Array(cases) = read(&folder().join(file)) else { panic!("{file} is no array") };
    assert!(cases.len() >= least, "{file} has {} cases", cases.len());
    cases
}

fn text<'a>(case: &'a Json, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{case} needs `{field}`"))
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The case's error, or none, is what came out.
fn expect<T: std::fmt::Debug>(case: &Json, result: Result<T, ProtocolError>) -> Option<T> {
    match (result, case["error"].as_str()) {
        (Ok(value), None) => Some(value),
        (Err(error), Some(name)) => {
            assert_eq!(error.name(), name, "{}: {error}", case["name"]);
            assert_eq!(error.closes(), case["closes"].as_bool().unwrap(), "{}: {error}", case["name"]);
            let body = ErrorBody::from(error);
            assert!(!body.retryable && !body.message.is_empty());
            None
        }
        (result, name) => panic!("{}: expected {name:?}, got {result:?}", case["name"]),
    }
}

#[test]
fn frames() {
    for case in cases("frames.json", 60) {
        let stream = bytes(text(&case, "frames"));
        let limits = Limits {
            max_frame: case["max_frame"].as_u64().map_or(262_144, |limit| limit as u32),
            max_message: case["max_message"].as_u64().map_or(134_217_728, |limit| limit as u32),
        };
        for chunk in [1, 7, stream.len().max(1)] {
            let mut wire = Wire::new(side_of(&case), limits, case["authenticated"].as_bool().unwrap());
            stream.chunks(chunk).for_each(|part| wire.feed(part));
            assert_eq!(json!(wire.events), case["events"], "{} by {chunk}", case["name"]);
            if let Some(error) = &wire.error {
                assert_eq!(Some(error.closes()), case["closes"].as_bool(), "{}", case["name"]);
            }
        }
    }
}

#[test]
fn documents() {
    for case in cases("documents.json", 40) {
        let body = bytes(text(&case, "body"));
        if expect(&case, document::check(&body)).is_some() {
            assert_read_alike(Fields::open(&body).unwrap(), bson::RawDocument::from_bytes(&body).unwrap());
        }
    }
}

/// What we read is what another implementation of BSON reads.
fn assert_read_alike(fields: Fields<'_>, document: &bson::RawDocument) {
    let mut elements = document.iter();
    for field in fields.iter() {
        let Field { name, value } = field.unwrap();
        let (other_name, other) = elements.next().expect("it has as many").unwrap();
        assert_eq!(name, other_name.as_str());
        match (value, other) {
            (Datum::Document(fields), RawBsonRef::Document(document)) => assert_read_alike(fields, document),
            (Datum::Array(fields), RawBsonRef::Array(array)) => {
                assert_read_alike(fields, bson::RawDocument::from_bytes(array.as_bytes()).unwrap());
            }
            (Datum::Double(a), RawBsonRef::Double(b)) => assert_eq!(a.to_bits(), b.to_bits()),
            (Datum::Text(a), RawBsonRef::String(b)) => assert_eq!(a, b),
            (Datum::Binary(a), RawBsonRef::Binary(b)) => assert_eq!(a, b.bytes),
            (Datum::Boolean(a), RawBsonRef::Boolean(b)) => assert_eq!(a, b),
            (Datum::Int32(a), RawBsonRef::Int32(b)) => assert_eq!(a, b),
            (Datum::Int64(a), RawBsonRef::Int64(b)) => assert_eq!(a, b),
            (Datum::Null, RawBsonRef::Null) => {}
            (value, other) => panic!("{name}: {value:?} and {other:?}"),
        }
    }
    assert!(elements.next().is_none());
}

#[test]
fn messages() {
    for case in cases("messages.json", 100) {
        let body = bytes(text(&case, "body"));
        let mut out = Vec::new();
        if let Ok(fields) = Fields::open(&body) {
            assert_read_alike(fields, bson::RawDocument::from_bytes(&body).unwrap());
        }
        let decoded = match text(&case, "type") {
            "client_hello" => ClientHello::decode(&body).map(|message| message.encode(&mut out)),
            "server_hello" => ServerHello::decode(&body).map(|message| message.encode(&mut out)),
            "auth" => Auth::decode(&body).map(|message| message.encode(&mut out)),
            "request" => Request::decode(&body).map(|message| message.encode(&mut out)),
            "reply" => Reply::decode(Bytes::from(body.clone())).map(|message| message.encode(&mut out)),
            "error" => ErrorBody::decode(&body).map(|message| message.encode(&mut out)),
            "credit" => Credit::decode(&body).map(|message| message.encode(&mut out)),
            "goaway" => GoAway::decode(&body).map(|message| message.encode(&mut out)),
            "empty" => {
                expect(&case, decode_empty(&body));
                continue;
            }
            other => panic!("unknown type {other}"),
        };
        if expect(&case, decoded).is_some() {
            let canonical = case["canonical"].as_str().unwrap_or_else(|| text(&case, "body"));
            assert_eq!(hex(&out), canonical, "{}", case["name"]);
            assert_eq!(wire::document_json(&out), case["fields"], "{}", case["name"]);
        }
    }
}

#[test]
fn too_many_binds_are_refused() {
    let binds = |count: usize| (0..count).map(|at| (format!("b{at}"), Value::Null)).collect::<Vec<_>>();
    let request = |count| {
        let mut all = Binds::new();
        binds(count).into_iter().for_each(|(name, value)| all.push_unique(name.into(), value));
        let mut out = Vec::new();
        Request { sql: Some("select 1".into()), binds: all, ..Request::new(Op::Execute) }.encode(&mut out);
        Request::decode(&out)
    };
    assert_eq!(request(MAX_BINDS).unwrap().binds.len(), MAX_BINDS);
    assert_eq!(request(MAX_BINDS + 1).unwrap_err().name(), "bad_field");
}

#[test]
fn values() {
    for case in cases("values.json", 50) {
        let body = bytes(text(&case, "body"));
        let Some(request) = expect(&case, Request::decode(&body)) else { continue };
        assert_eq!(value_json(request.binds.get("b").unwrap()), case["value"], "{}", case["name"]);
        request.binds.check().unwrap();
        let mut out = Vec::new();
        request.encode(&mut out);
        assert_eq!(Request::decode(&out).unwrap(), request, "{}", case["name"]);
    }
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => json!({"null": true}),
        Value::Int(value) => json!({"int": value.to_string()}),
        Value::UInt(value) => json!({"uint": value.to_string()}),
        Value::Double(value) => json!({"double": value}),
        Value::Text(value) => json!({"text": value}),
        Value::Bytes(value) => json!({"bytes": hex(value)}),
        Value::Decimal(value) => json!({"decimal": value}),
        Value::Date(value) => json!({"date": value}),
        Value::Time(value) => json!({"time": value}),
        Value::DateTime(value) => json!({"datetime": value}),
        Value::Json(value) => json!({"json": value}),
        Value::Bit(value) => json!({"bit": hex(value)}),
        Value::Geometry(value) => json!({"geometry": hex(value)}),
        Value::CharsetText { charset, bytes } => json!({"charset_text": [charset, hex(bytes)]}),
        Value::List(values) => json!({"list": values.iter().map(value_json).collect::<Vec<_>>()}),
        Value::Tuple(values) => json!({"tuple": values.iter().map(value_json).collect::<Vec<_>>()}),
    }
}

#[test]
fn rows() {
    for case in cases("rows.json", 15) {
        let batch = RowBatch { bytes: bytes(text(&case, "packed")).into(), count: case["n"].as_u64().unwrap() as u32 };
        let read = batch.rows().map(|row| row?.cells().map(|cell| Ok(cell?.map(hex))).collect());
        let read: Result<Vec<Vec<Option<String>>>, ProtocolError> = read.collect();
        if let Some(rows) = expect(&case, read) {
            assert_eq!(json!(rows), case["rows"], "{}", case["name"]);
        }
    }
}

#[test]
fn fields() {
    for case in cases("fields.json", 12) {
        let packed = bytes(text(&case, "packed"));
        let read: Result<Vec<Column<'_>>, ProtocolError> = columns(&packed).collect();
        let Some(read) = expect(&case, read) else { continue };
        let shown = read.iter().map(|column| {
            json!({
                "schema": column.schema, "table": column.table, "org_table": column.org_table, "name": column.name,
                "org_name": column.org_name, "charset": column.charset, "length": column.length,
                "type": column.column_type.0, "flags": column.flags, "decimals": column.decimals,
            })
        });
        assert_eq!(json!(shown.collect::<Vec<_>>()), case["columns"], "{}", case["name"]);
        assert_eq!(pack_columns(&read), packed, "{}", case["name"]);
        assert_eq!(format!("{:016x}", fields_hash(&packed)), text(&case, "fh"), "{}", case["name"]);
    }
}

#[test]
fn scram() {
    for case in cases("scram.json", 20) {
        let name = text(&case, "name");
        let refused = case["refused"].as_str();
        let data = case["binding"].as_str().map(bytes);
        let binding = match (&data, text(&case, "flag")) {
            (Some(data), _) => ClientBinding::EndPoint(data.clone()),
            (None, "y") => ClientBinding::Unused,
            (None, _) => ClientBinding::Unsupported,
        };
        let keys: StoredKeys = text(&case, "stored").parse().unwrap();
        let password = text(&case, "password").as_bytes();
        assert_eq!(StoredKeys::derive(password, &keys.salt, keys.iterations), keys, "{name}");
        let user = text(&case, "user");

        let (mut client, first) = ClientExchange::start(user, text(&case, "client_nonce"), binding);
        if refused != Some("client_first") {
            assert_eq!(first, text(&case, "client_first").as_bytes(), "{name}");
        }
        let first = text(&case, "client_first").as_bytes();
        let started =
            ServerExchange::start(first, data.is_some(), data.as_deref(), user, keys, text(&case, "server_nonce"));
        assert_eq!(started.is_err(), refused == Some("client_first"), "{name}");
        let Ok((server, challenge)) = started else { continue };
        if refused != Some("server_first") {
            assert_eq!(challenge, text(&case, "server_first").as_bytes(), "{name}");
        }
        let answered = client.respond(text(&case, "server_first").as_bytes(), password, None);
        assert_eq!(answered.is_err(), refused == Some("server_first"), "{name}");
        let Ok((answer, _)) = answered else { continue };
        if refused != Some("client_final") {
            assert_eq!(answer, text(&case, "client_final").as_bytes(), "{name}");
        }
        let finished = server.finish(text(&case, "client_final").as_bytes());
        assert_eq!(finished.is_err(), refused == Some("client_final"), "{name}");
        let Ok(last) = finished else { continue };
        if refused != Some("server_final") {
            assert_eq!(last, text(&case, "server_final").as_bytes(), "{name}");
        }
        let proved = client.finish(text(&case, "server_final").as_bytes());
        assert_eq!(proved.is_err(), refused == Some("server_final"), "{name}");
    }
}

#[test]
fn codes() {
    let cases = cases("codes.json", Code::ALL.len());
    assert_eq!(cases.len(), Code::ALL.len());
    for (case, code) in cases.iter().zip(Code::ALL) {
        assert_eq!(code.as_str(), text(case, "code"));
        assert_eq!(Code::parse(code.as_str()), code);
        let error = ErrorBody::new(code, "");
        assert_eq!(json!(error.errno), case["errno"], "{case}");
        assert_eq!(error.sqlstate, text(case, "sqlstate"));
        assert_eq!(json!(error.retryable), case["retryable"], "{case}");
    }
}
