//! Whole conversations, against the receiving end of each side: byte by byte, and each step in one chunk.

use serde_json::{Value as Json, json};
use vitrail_proto::error::{ErrorBody, ProtocolError};
use vitrail_proto::frame::{Fragments, HEADER_LEN, Kind, Message, Side};
use vitrail_proto::limits::Limits;
use vitrail_proto::message::{Auth, ClientHello, Credit, GoAway, Reply, Request, ServerHello, decode_empty};

use super::wire::{Wire, kind_name};
use super::{bytes, folder, hex, read, side_of, text};

#[test]
fn transcripts() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder().join("transcripts")).unwrap() {
        let transcript = read(&entry.unwrap().path());
        for whole in [false, true] {
            run(&transcript, whole);
        }
        names.push(text(&transcript, "name").to_owned());
    }
    for wanted in [
        "chain-failure",
        "late-cancel",
        "queued-cancel",
        "zero-credit",
        "row-above-a-frame",
        "interleaved-fragments",
        "refused-upload",
        "drain-in-transaction",
        "lost-transaction",
        "unknown-kind",
        "unknown-field",
        "unknown-capability",
        "unknown-code",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is missing");
    }
}

fn run(transcript: &Json, whole: bool) {
    let name = text(transcript, "name");
    let authenticated = transcript["authenticated"].as_bool().unwrap();
    let mut server = Wire::new(Side::Server, Limits::default(), authenticated);
    let mut client = Wire::new(Side::Client, Limits::default(), authenticated);
    for (at, step) in transcript["steps"].as_array().unwrap().iter().enumerate() {
        let from = side_of(step);
        let receiver = if from == Side::Client { &mut server } else { &mut client };
        let data = bytes(text(step, "hex"));
        match whole {
            true => receiver.feed(&data),
            false => data.chunks(1).for_each(|byte| receiver.feed(byte)),
        }
        let mut error = receiver.error.take();
        let mut seen = Vec::new();
        let received = std::mem::take(&mut receiver.messages);
        assert!(error.is_some() || receiver.is_settled(), "{name} step {at}: bytes are left over");
        for message in &received {
            match decode(from, message) {
                Ok(body) => {
                    assert_whole(&data, message, &body);
                    seen.push(format!("{} {}", kind_name(message.kind), message.id));
                    follow(from, message, &mut server, &mut client);
                }
                Err(fault) => error = Some(fault),
            }
        }
        assert_eq!(json!(seen), step["messages"], "{name} step {at}");
        let (fault, closes) = (error.as_ref().map(ProtocolError::name), error.as_ref().map(ProtocolError::closes));
        assert_eq!(fault, step["error"].as_str(), "{name} step {at}");
        assert_eq!(closes, step["closes"].as_bool(), "{name} step {at}");
    }
}

/// Decodes a body by who sent it, and encodes it again.
fn decode(from: Side, message: &Message) -> Result<Vec<u8>, ProtocolError> {
    let (body, mut out) = (&message.body, Vec::new());
    match (message.kind, from) {
        (Kind::Hello, Side::Client) => ClientHello::decode(body)?.encode(&mut out),
        (Kind::Hello, Side::Server) => ServerHello::decode(body)?.encode(&mut out),
        (Kind::Auth, _) => Auth::decode(body)?.encode(&mut out),
        // Uploads in transcripts are as long as they need to be, and otherwise of no interest.
        (Kind::Request, _) => Request::decode(body)?.encode(&mut out),
        (Kind::Reply, _) => Reply::decode(body.clone())?.encode(&mut out),
        (Kind::Error, _) => ErrorBody::decode(body)?.encode(&mut out),
        (Kind::Credit, _) => Credit::decode(body)?.encode(&mut out),
        (Kind::GoAway, _) => GoAway::decode(body)?.encode(&mut out),
        _ => {
            decode_empty(body)?;
            out.extend_from_slice(body);
        }
    }
    Ok(out)
}

/// A message that came in one frame, and has no fields but those of version 1, is written with the same bytes.
fn assert_whole(data: &[u8], message: &Message, body: &[u8]) {
    let unknown = hex(body) != hex(&message.body);
    if unknown {
        assert!(hex(data).contains(&hex(b"zzz")) || hex(data).contains(&hex(b"yyy")), "{message:?} is not canonical");
        return;
    }
    if data.len() >= HEADER_LEN + body.len() {
        for (header, part) in Fragments::new(message.kind, message.flags, message.id, 262_144, body) {
            let frame = [&header.encode()[..], part].concat();
            assert!(data.windows(frame.len()).any(|window| window == frame), "{message:?} is framed otherwise");
        }
    }
}

/// What a peer does with a message: authentication ends, uploads are granted or given up.
fn follow(from: Side, message: &Message, server: &mut Wire, client: &mut Wire) {
    if from == Side::Client {
        return;
    }
    let authenticated = match message.kind {
        Kind::Hello => ServerHello::decode(&message.body).unwrap().authenticated,
        Kind::Auth => Auth::decode(&message.body).unwrap().authenticated,
        _ => false,
    };
    if authenticated {
        server.reassembler.set_authenticated();
        client.reassembler.set_authenticated();
    }
    match message.kind {
        Kind::Credit => server.reassembler.grant(message.id),
        Kind::Error => server.reassembler.give_up(message.id),
        _ => {}
    }
}
