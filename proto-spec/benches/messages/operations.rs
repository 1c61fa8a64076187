//! Operations on messages, each ready to run again and again: by criterion, which takes the time, and by `tools/instructions`, which counts.

use std::hint::black_box;

use bytes::Bytes;
use vitrail_proto::frame::{Flags, Fragments, HEADER_LEN, Header, Kind, Reassembler, Received, Side, write_message};
use vitrail_proto::limits::{DEFAULT_MAX_FRAME, Limits, MIN_MAX_FRAME, ROW_BATCH};
use vitrail_proto::message::{Op, Ran, Reply, Request, ResultEnd};
use vitrail_proto::rows::{RowBatch, RowBuilder};
use vitrail_proto::value::{Binds, Value};

use super::inputs;

type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// By name: what prepares the operation.
pub const OPERATIONS: &[(&str, Prepare)] = &[
    ("decode a request: point select", || decode_request(request(inputs::SELECT, inputs::user()), DEFAULT_MAX_FRAME)),
    ("decode a request: insert of 20 columns", || {
        decode_request(request(inputs::INSERT, inputs::order()), DEFAULT_MAX_FRAME)
    }),
    ("decode a request: 48 KiB in 3 frames", || decode_request(request(inputs::INSERT, large_order()), MIN_MAX_FRAME)),
    ("encode a request: insert of 20 columns", || encode_request(request(inputs::INSERT, inputs::order()))),
    ("encode a reply: one row and its end", || encode_small_reply(reply(1))),
    ("encode a reply: 32 KiB of rows", || encode_large_reply(reply(u32::MAX))),
    ("decode a reply: 32 KiB of rows", || decode_reply(&reply(u32::MAX))),
    ("pack rows: 32 KiB", pack_rows),
    ("read the cells of packed rows: 32 KiB", read_cells),
];

/// As a server takes it in: header, reassembly, body.
fn decode_request(request: Request, max_frame: u32) -> Operation {
    let mut body = Vec::new();
    request.encode(&mut body);
    let mut frames: Vec<([u8; HEADER_LEN], Bytes)> = Fragments::new(Kind::Request, Flags::NONE, 1, max_frame, &body)
        .map(|(header, bytes)| (header.encode(), Bytes::copy_from_slice(bytes)))
        .collect();
    let mut messages = Reassembler::new(Side::Server, Limits::default());
    messages.set_authenticated();
    let mut id = 0_u64;
    Box::new(move || {
        id += 1;
        for (head, bytes) in &mut frames {
            head[8..].copy_from_slice(&id.to_le_bytes());
            let header = Header::decode(black_box(head)).expect("a header");
            let received = messages.push(header, bytes.clone()).expect("a frame that fits");
            if let Received::Message(message) = received {
                black_box(Request::decode(&message.body).expect("a request"));
            }
        }
    })
}

fn encode_request(request: Request) -> Operation {
    let (mut body, mut frames) = (Vec::new(), Vec::new());
    Box::new(move || {
        body.clear();
        frames.clear();
        black_box(&request).encode(&mut body);
        write_message(&mut frames, Kind::Request, Flags::NONE, 1, DEFAULT_MAX_FRAME, &body);
        black_box(&frames);
    })
}

/// As a server sends it.
fn encode_small_reply(reply: Reply) -> Operation {
    Box::new(move || {
        let mut body = Vec::with_capacity(512);
        black_box(&reply).encode(&mut body);
        black_box(body);
    })
}

/// As a server sends it: the rows are not copied.
fn encode_large_reply(reply: Reply) -> Operation {
    Box::new(move || {
        let mut head = Vec::with_capacity(128);
        black_box(black_box(&reply).encode_head(&mut head));
        black_box(head);
    })
}

/// As a client takes it in; the rows stay packed.
fn decode_reply(reply: &Reply) -> Operation {
    let mut body = Vec::new();
    reply.encode(&mut body);
    let body = Bytes::from(body);
    let head = Header { length: body.len() as u32, kind: Kind::Reply, flags: Flags::END, id: 1 }.encode();
    let mut messages = Reassembler::new(Side::Client, Limits::default());
    messages.set_authenticated();
    Box::new(move || {
        let header = Header::decode(black_box(&head)).expect("a header");
        let received = messages.push(header, body.clone()).expect("a frame that fits");
        let Received::Message(message) = received else { panic!("the frame holds a whole message") };
        black_box(Reply::decode(message.body).expect("a reply"));
    })
}

/// As a merge of several shards packs the rows that it hands on.
fn pack_rows() -> Operation {
    let batch = rows(u32::MAX);
    let texts: Vec<Vec<u8>> = batch.rows().map(|row| row.expect("a row").bytes().to_vec()).collect();
    let mut builder = RowBuilder::new();
    Box::new(move || {
        for text in black_box(&texts) {
            builder.push_row(text);
        }
        black_box(builder.finish());
    })
}

/// As a merge finds what it sorts by, and a client its values.
fn read_cells() -> Operation {
    let batch = rows(u32::MAX);
    Box::new(move || {
        for row in black_box(&batch).rows() {
            for cell in row.expect("a row").cells() {
                black_box(cell.expect("a cell"));
            }
        }
    })
}

fn request(sql: &str, binds: Binds) -> Request {
    Request {
        session: Some(42),
        deadline_ms: Some(5_000),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        sql: Some(sql.to_owned()),
        binds,
        fields_hash: Some(0x0004_2d1c_77b3_0e0e),
        ..Request::new(Op::Execute)
    }
}

/// The same order with 40 KiB of details.
fn large_order() -> Binds {
    let mut binds = inputs::order();
    binds.set("details", Value::Json(format!(r#"{{"log": "{}"}}"#, "shipped; ".repeat(4_660))));
    binds
}

/// Rows, and the end of the result with how it ran. Fields are known to the client.
fn reply(most: u32) -> Reply {
    let rows = rows(most);
    let ran = Ran { shards: 1, wait_us: 12, mysql_us: 184, ..Ran::default() };
    let end = ResultEnd { rows: rows.count.into(), status: 2, ran: Some(ran), ..ResultEnd::default() };
    Reply { fields_hash: Some(0x0004_2d1c_77b3_0e0e), end: Some(Box::new(end)), rows: Some(rows), ..Reply::default() }
}

/// A batch of about 32 KiB, or of fewer rows.
fn rows(most: u32) -> RowBatch {
    let mut builder = RowBuilder::new();
    while builder.count() < most && builder.len() < ROW_BATCH {
        let id = (4_711_000_000 + u64::from(builder.count())).to_string();
        let cells = [&id, "Ada Lovelace", "ada@example.com", "1815-12-10", "99.50", "2026-11-26 09:41:07", "EUR"];
        let cells = cells.map(|cell: &str| Some(cell.as_bytes()));
        builder.push_cells(cells.into_iter().chain([None]));
    }
    builder.finish()
}
