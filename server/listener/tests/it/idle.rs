//! What an idle connection costs; run alone: `cargo test -p vitrail-listener --release idle -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::net::TcpStream;

use vitrail_proto::frame::{Flags, HEADER_LEN, Kind};
use vitrail_proto::message::Mechanism;

use crate::client::{body, execute, frame, hello};
use crate::server::Server;

const CONNECTIONS: usize = 5_000;

#[test]
#[ignore = "measures the memory of this whole process"]
fn an_idle_connection_costs_little() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::with(|config| config.limits.unauthenticated_per_address = CONNECTIONS));
    let mut clients: Vec<TcpStream> = (0..100).map(|_| converse(&server)).collect();
    let before = resident();
    clients.extend((0..CONNECTIONS).map(|_| converse(&server)));
    while runtime.block_on(async { server.handle.stats().in_flight }) > 0 {}
    let each = (resident() - before) / CONNECTIONS;
    println!("{each} bytes for each of {CONNECTIONS} idle connections");
    assert!(each < 4096, "{each} bytes");
}

/// Logs in and asks three times, with blocking calls: the client's side costs this process nothing but descriptors.
fn converse(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let mut greeting = Vec::new();
    hello("ann", Mechanism::None, Vec::new()).encode(&mut greeting);
    stream.write_all(&frame(Kind::Hello, 0, Flags::NONE, &greeting)).unwrap();
    answer(&mut stream);
    for id in 1..=3 {
        stream.write_all(&frame(Kind::Request, id, Flags::NONE, &body(&execute(None, "echo x")))).unwrap();
        answer(&mut stream);
    }
    stream
}

fn answer(stream: &mut TcpStream) {
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_le_bytes(head[..4].try_into().unwrap());
    stream.read_exact(&mut vec![0; length as usize]).unwrap();
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
