//! Feeds bytes to every decoder: the first byte chooses which. Run by `cargo fuzz run decode` in `proto-spec/`.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::frame::{HEADER_LEN, Header, Reassembler, Side};
use vitrail_proto::limits::Limits;
use vitrail_proto::message::{Auth, ClientHello, Credit, GoAway, Reply, Request, ServerHello};
use vitrail_proto::rows::columns;
use vitrail_proto::scram::{ServerExchange, StoredKeys};
use vitrail_proto::url::Url;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 12 {
        0 => drop(ClientHello::decode(bytes)),
        1 => drop(ServerHello::decode(bytes)),
        2 => drop(Auth::decode(bytes)),
        3 => again(bytes),
        4 => {
            if let Ok(reply) = Reply::decode(Bytes::copy_from_slice(bytes)) {
                reply.rows.iter().flat_map(|rows| rows.rows()).flatten().for_each(|row| row.cells().for_each(drop));
                columns(&reply.fields.unwrap_or_default()).for_each(drop);
            }
        }
        5 => drop(ErrorBody::decode(bytes)),
        6 => drop(Credit::decode(bytes)),
        7 => drop(GoAway::decode(bytes)),
        8 => receive(Side::Server, bytes),
        9 => receive(Side::Client, bytes),
        10 => {
            let keys = StoredKeys::mock(b"secret", "ann", 4096);
            if let Ok((server, _)) = ServerExchange::start(bytes, false, None, "ann", keys, "nonce") {
                drop(server.finish(bytes));
            }
        }
        _ => drop(String::from_utf8_lossy(bytes).parse::<Url>()),
    }
});

/// What was decoded encodes to a body that decodes to the same.
fn again(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        let mut body = Vec::new();
        request.encode(&mut body);
        assert_eq!(Request::decode(&body), Ok(request));
    }
}

fn receive(side: Side, mut bytes: &[u8]) {
    let mut reassembler = Reassembler::new(side, Limits { max_frame: 16_384, max_message: 65_536 });
    reassembler.set_authenticated();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let Ok(header) = Header::decode(header) else { return };
        if reassembler.admit(&header).is_err() {
            return;
        }
        let Some((body, rest)) = rest.split_at_checked(header.length as usize) else { return };
        if reassembler.push(header, Bytes::copy_from_slice(body)).is_err_and(|error| error.closes()) {
            return;
        }
        bytes = rest;
    }
}
