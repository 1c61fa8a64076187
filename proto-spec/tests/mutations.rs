//! A million mutated frames, handshakes and messages: a typed error or a value, never a panic, and never more memory than
//! the bytes that came can account for. The seed is printed; `VITRAIL_SEED` sets another.

use std::alloc::System;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use vitrail_proto::document;
use vitrail_proto::error::{Code, ErrorBody, ProtocolError};
use vitrail_proto::frame::{Flags, HEADER_LEN, Header, Kind, Reassembler, Received, Side, write_message};
use vitrail_proto::limits::Limits;
use vitrail_proto::message::*;
use vitrail_proto::rows::{Column, ColumnType, RowBuilder, columns, pack_columns};
use vitrail_proto::scram::{ClientBinding, ClientExchange, ServerExchange, StoredKeys};
use vitrail_proto::target::Target;
use vitrail_proto::url::Url;
use vitrail_proto::value::Value;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one input may allocate in total: the widest value of a message has 56 bytes and costs 3 on the wire, and vectors grow
/// by doubling.
fn allowance(input: usize) -> usize {
    16 * 1024 + 128 * input
}

/// Bodies of every message, frames of several, and texts, each with the decoder that it is for.
struct Seeds {
    bodies: Vec<(Decoder, Vec<u8>)>,
    streams: Vec<(Side, bool, Vec<u8>)>,
}

type Decoder = fn(&[u8]) -> Result<(), ProtocolError>;

fn body(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

fn client_hello() -> ClientHello {
    ClientHello {
        min_version: 1,
        max_version: 1,
        capabilities: vec!["a".into(), "b".into()],
        max_frame: 262_144,
        max_message: 134_217_728,
        user: "ann".into(),
        mechanism: Mechanism::ScramSha256,
        initial: b"n,,n=ann,r=abc".to_vec(),
        driver: "test/1".into(),
        application: "shop".into(),
        instance: "1".into(),
    }
}

fn server_hello() -> ServerHello {
    ServerHello {
        version: 1,
        capabilities: Vec::new(),
        max_frame: 262_144,
        max_message: 134_217_728,
        connection_id: 7,
        flavour: "MariaDB".into(),
        mysql_version: "10.11".into(),
        gates: vec!["b:15300".into()],
        incarnation: "x".into(),
        max_age_ms: 3_600_000,
        challenge: b"r=abcdef,s=YQ==,i=4096".to_vec(),
        authenticated: false,
    }
}

fn request() -> Request {
    let list = |values: Vec<Value>| Value::List(values);
    Request {
        session: Some(3),
        chain: true,
        deadline_ms: Some(1000),
        caller: Some("ann".into()),
        sql: Some("select :a".into()),
        binds: [
            ("a", Value::Int(1)),
            ("b", Value::UInt(u64::MAX)),
            ("c", Value::Double(1.5)),
            ("d", Value::DateTime("2026-11-24 00:00:00".into())),
            ("e", Value::CharsetText { charset: "latin1".into(), bytes: vec![0xe9] }),
            ("f", list(vec![Value::Tuple(vec![Value::Null, Value::Text("x".into())])])),
        ]
        .into_iter()
        .collect(),
        target: Some(Target { shard: Some("-80".into()), ..Target::keyspace("ks") }),
        max_rows: Some(10),
        read_only: true,
        position: Some(vec![1, 2]),
        state: Some(SessionState { variables: vec![("sql_mode".into(), "''".into())], ..SessionState::default() }),
        items: vec![BatchItem { sql: Some("select 1".into()), ..BatchItem::default() }, BatchItem::default()],
        begin: Some(BeginOptions { isolation: Some(Isolation::Serializable), ..BeginOptions::default() }),
        ..Request::new(Op::Execute)
    }
}

fn reply() -> Reply {
    let column = Column {
        schema: "ks".into(),
        table: "t".into(),
        org_table: "t".into(),
        name: "a".into(),
        org_name: "a".into(),
        charset: 63,
        length: 11,
        column_type: ColumnType::LONG,
        flags: 1,
        decimals: 0,
    };
    let mut rows = RowBuilder::new();
    rows.push_cells([Some(&b"17"[..]), None, Some(&[b'x'; 300])]);
    rows.push_cells([Some(&b""[..]), None, None]);
    Reply {
        fields: Some(pack_columns([&column, &column])),
        fields_hash: Some(u64::MAX),
        end: Some(Box::new(ResultEnd {
            rows: 2,
            warning_texts: vec![Warning { level: "Note".into(), errno: 1, message: "m".into() }],
            capped: Some(Capped { by: "gate".into(), limit: 2 }),
            state: Some(SessionState::default()),
            ..ResultEnd::default()
        })),
        rows: Some(rows.finish()),
        ..Reply::default()
    }
}

fn decode_reply(body: &[u8]) -> Result<(), ProtocolError> {
    let reply = Reply::decode(Bytes::copy_from_slice(body))?;
    for row in reply.rows.iter().flat_map(|rows| rows.rows()) {
        row?.cells().try_for_each(|cell| cell.map(drop))?;
    }
    columns(&reply.fields.unwrap_or_default()).try_for_each(|column| column.map(drop))
}

fn seeds() -> Seeds {
    let error = ErrorBody::new(Code::Conflict, "deadlock").with_shard("-80");
    let bodies: Vec<(Decoder, Vec<u8>)> = vec![
        (|body| ClientHello::decode(body).map(drop), body(|out| client_hello().encode(out))),
        (|body| ServerHello::decode(body).map(drop), body(|out| server_hello().encode(out))),
        (|body| Auth::decode(body).map(drop), body(|out| Auth { data: vec![1; 9], authenticated: true }.encode(out))),
        (|body| Request::decode(body).map(drop), body(|out| request().encode(out))),
        (decode_reply, body(|out| reply().encode(out))),
        (|body| ErrorBody::decode(body).map(drop), body(|out| error.encode(out))),
        (|body| Credit::decode(body).map(drop), body(|out| Credit { bytes: 65_536 }.encode(out))),
        (|body| GoAway::decode(body).map(drop), body(|out| GoAway { drain_ms: 9, reason: "x".into() }.encode(out))),
        (decode_empty, vec![5, 0, 0, 0, 0]),
        (document::check, body(|out| request().encode(out))),
    ];
    let mut handshake = Vec::new();
    write_message(&mut handshake, Kind::Hello, Flags::NONE, 0, 16_384, &bodies[0].1);
    write_message(&mut handshake, Kind::Auth, Flags::NONE, 0, 16_384, &bodies[2].1);
    let mut requests = Vec::new();
    write_message(&mut requests, Kind::Request, Flags::NONE, 1, 16_384, &bodies[3].1);
    write_message(&mut requests, Kind::Cancel, Flags::NONE, 1, 16_384, &bodies[8].1);
    write_message(&mut requests, Kind::Credit, Flags::NONE, 1, 16_384, &bodies[6].1);
    let mut large = request();
    large.sql = Some("x".repeat(30_000));
    write_message(&mut requests, Kind::Request, Flags::NONE, 2, 16_384, &body(|out| large.encode(out)));
    let mut replies = Vec::new();
    write_message(&mut replies, Kind::Reply, Flags::NONE, 1, 16_384, &bodies[4].1);
    write_message(&mut replies, Kind::Error, Flags::END, 1, 16_384, &bodies[5].1);
    write_message(&mut replies, Kind::GoAway, Flags::NONE, 0, 16_384, &bodies[7].1);
    Seeds {
        bodies,
        streams: vec![(Side::Server, false, handshake), (Side::Server, true, requests), (Side::Client, true, replies)],
    }
}

/// Damages a few places: bits, bytes, lengths, cuts, doubled parts.
fn mutate(random: &mut SmallRng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..7) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = [0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0xfb, 0xfe, 0xff][random.random_range(0..11)],
            3 => bytes.truncate(at),
            4 => drop(bytes.remove(at)),
            5 => {
                let part: Vec<u8> = bytes[at..(at + 16).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let end = (at + 4).min(bytes.len());
                let length: i32 = [-1, 0, 4, 5, 6, i32::MAX, i32::MIN, 1 << 24][random.random_range(0..8)];
                bytes[at..end].copy_from_slice(&length.to_le_bytes()[..end - at]);
            }
        }
    }
}

/// As a connection would: read headers, admit, push; stop where the connection closes.
fn receive(side: Side, authenticated: bool, stream: &[u8]) -> usize {
    let mut reassembler = Reassembler::new(side, Limits { max_frame: 16_384, max_message: 65_536 });
    if authenticated {
        reassembler.set_authenticated();
    }
    let (mut at, mut frames) = (0, 0);
    while let Some(header) = stream[at..].first_chunk::<HEADER_LEN>() {
        frames += 1;
        let Ok(header) = Header::decode(header) else { break };
        if reassembler.admit(&header).is_err() {
            break;
        }
        at += HEADER_LEN;
        let Some(body) = stream[at..].get(..header.length as usize) else { break };
        at += body.len();
        match reassembler.push(header, Bytes::copy_from_slice(body)) {
            Ok(Received::Message(message)) => {
                if message.kind == Kind::Request && Request::decode(&message.body).is_err_and(|error| error.closes()) {
                    break;
                }
            }
            Ok(_) => {}
            Err(error) if error.closes() => break,
            Err(_) => {}
        }
    }
    assert!(reassembler.buffered() <= 2 * stream.len());
    frames
}

#[test]
fn a_million_mutations_neither_panic_nor_hoard() {
    let seed = std::env::var("VITRAIL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(15_300);
    println!("VITRAIL_SEED={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let seeds = seeds();
    for (decode, bytes) in &seeds.bodies {
        decode(bytes).expect("seeds are good");
    }
    let keys = StoredKeys::derive(b"pencil", b"salt", 1);
    let (mut inputs, mut refused, mut bytes) = (0u32, 0u32, Vec::new());
    while inputs < 1_000_000 {
        bytes.clear();
        let pick = random.random_range(0..100);
        if pick < 85 {
            let (decode, seed) = &seeds.bodies[random.random_range(0..seeds.bodies.len())];
            bytes.extend_from_slice(seed);
            mutate(&mut random, &mut bytes);
            let region = Region::new(ALLOCATOR);
            refused += u32::from(decode(&bytes).is_err());
            assert!(region.change().bytes_allocated <= allowance(bytes.len()), "{bytes:02x?}");
            inputs += 1;
        } else if pick < 97 {
            let (side, authenticated, seed) = &seeds.streams[random.random_range(0..seeds.streams.len())];
            bytes.extend_from_slice(seed);
            mutate(&mut random, &mut bytes);
            let region = Region::new(ALLOCATOR);
            inputs += receive(*side, *authenticated, &bytes) as u32;
            assert!(region.change().bytes_allocated <= allowance(bytes.len()), "{bytes:02x?}");
        } else {
            bytes.extend_from_slice(b"n,,n=ann,r=abc");
            mutate(&mut random, &mut bytes);
            if let Ok((server, _)) = ServerExchange::start(&bytes, false, None, "ann", keys.clone(), "def") {
                let mut last = b"c=biws,r=abcdef,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec();
                mutate(&mut random, &mut last);
                assert!(server.finish(&last).is_err());
            }
            // A challenge whose count is damaged must not cost more than the exchange allows; kept keys skip PBKDF2 here.
            bytes.clear();
            bytes.extend_from_slice(b"r=abcdef,s=YQ==,i=4095");
            mutate(&mut random, &mut bytes);
            if !bytes.ends_with(b"i=4095") {
                bytes.push(b'x');
            }
            let (mut client, _) = ClientExchange::start("ann", "abc", ClientBinding::Unsupported);
            assert!(client.respond(&bytes, b"pencil", None).is_err());
            let mut url = b"vitrail://ann:pw@[::1]:15300,b/ks:-80@replica?tls=require&pool_max=4".to_vec();
            mutate(&mut random, &mut url);
            drop(String::from_utf8_lossy(&url).parse::<Url>());
            inputs += 3;
        }
    }
    println!("{inputs} inputs, {refused} bodies refused");
    assert!(refused > 100_000, "mutations must reach the checks");
}
