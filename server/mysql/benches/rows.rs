//! How long a result takes from a socket to packed rows. The peer sends what it has made ready, so that no server's time counts.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::runtime::Runtime;
use vitrail_mysql::{Address, ConnectOptions, Connection, Response, RowsOrEnd};

/// Bytes of a batch, as a tablet asks for them.
const BATCH: usize = 32 << 10;
/// PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, DEPRECATE_EOF.
const CAPABILITIES: u32 = 1 << 9 | 1 << 15 | 1 << 19 | 1 << 24;
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("pack rows from a socket");
    for rows in [1, 100, 10_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mysql.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let peer = thread::spawn(move || serve(listener.accept().expect("a client").0, &result(rows)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = ConnectOptions::new(Address::Unix(path), "bench");
        let mut connection = runtime.block_on(Connection::connect(&options)).expect("a connection");
        group.throughput(Throughput::Elements(rows));
        group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
            bencher.iter(|| assert_eq!(pull(&runtime, &mut connection), rows));
        });
        runtime.block_on(connection.quit());
        peer.join().expect("the peer ends well");
    }
    group.finish();
    criterion.final_summary();
}

/// Asks for the result, and pulls it to its end.
fn pull(runtime: &Runtime, connection: &mut Connection) -> u64 {
    runtime.block_on(async {
        let Response::Columns(_) = connection.query(b"SELECT rows").await.expect("a result") else {
            panic!("the result has columns")
        };
        let mut rows = 0;
        loop {
            match connection.next_rows(BATCH).await.expect("rows") {
                RowsOrEnd::Rows(batch) => rows += u64::from(batch.count),
                RowsOrEnd::End(_) => return rows,
            }
        }
    })
}

/// Plays the server until the client says goodbye.
fn serve(mut client: UnixStream, result: &[u8]) {
    client.write_all(&greeting()).expect("the client is there");
    read(&mut client).expect("a login");
    client.write_all(&packets(2, &[OK])).expect("the client is there");
    let session = packets(1, &[&[2], &column("id"), &column("limit"), &row(&["7", "67108864"]), END]);
    while let Some(command) = read(&mut client) {
        let answer = match command.get(1..) {
            Some(text) if text.starts_with(b"SELECT rows") => result,
            Some(text) if text.starts_with(b"SELECT") => &session,
            Some(text) if text.starts_with(b"SET") => &packets(1, &[OK]),
            _ => return,
        };
        client.write_all(answer).expect("the client is there");
    }
}

/// Rows of 8 columns and some 100 bytes.
fn result(rows: u64) -> Vec<u8> {
    let names = ["id", "name", "email", "born", "score", "seen_at", "currency", "note"];
    let mut payloads = vec![vec![names.len() as u8]];
    payloads.extend(names.map(column));
    payloads.extend((0..rows).map(|number| {
        let id = (4_711_000_000 + number).to_string();
        row(&[
            &id,
            "Ada Lovelace",
            "ada@example.com",
            "1815-12-10",
            "99.50",
            "2026-11-26 09:41:07",
            "EUR",
            "rings twice",
        ])
    }));
    payloads.push(END.to_vec());
    packets(1, &payloads.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn greeting() -> Vec<u8> {
    let mut payload = b"\x0a9.7.4\0\x07\0\0\0abcdefgh\0".to_vec();
    payload.extend_from_slice(&CAPABILITIES.to_le_bytes()[..2]);
    payload.extend_from_slice(&[255, 2, 0]);
    payload.extend_from_slice(&CAPABILITIES.to_le_bytes()[2..]);
    payload.push(21);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    packets(0, &[&payload])
}

fn column(name: &str) -> Vec<u8> {
    let mut definition = row(&["def", "shop", "users", "users", name, name]);
    definition.extend_from_slice(&[0x0c, 45, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
    definition
}

fn row(cells: &[&str]) -> Vec<u8> {
    cells.iter().flat_map(|cell| [&[cell.len() as u8], cell.as_bytes()].concat()).collect()
}

/// One packet for each payload.
fn packets(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sequence = first;
    for payload in payloads {
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
        bytes.push(sequence);
        bytes.extend_from_slice(payload);
        sequence = sequence.wrapping_add(1);
    }
    bytes
}

/// The next packet's payload; `None` once the client has gone.
fn read(client: &mut UnixStream) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    client.read_exact(&mut header).ok()?;
    let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16];
    client.read_exact(&mut payload).ok()?;
    Some(payload)
}
