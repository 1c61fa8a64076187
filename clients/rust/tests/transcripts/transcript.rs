//! What a transcript says.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;
use vitrail_proto::frame::{HEADER_LEN, Header, Kind, Side};
use vitrail_proto::message::Request;

use crate::{NOT_SENT, REPLACED};

/// A conversation with its frames cut apart.
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) authenticated: bool,
    pub(crate) steps: Vec<Step>,
    /// What each id sends in the end, and all that the transcript has of it: a refused upload has less than it announced.
    pub(crate) requests: BTreeMap<u64, Vec<u8>>,
}

pub(crate) struct Step {
    pub(crate) at: usize,
    pub(crate) side: Side,
    pub(crate) data: Vec<u8>,
    pub(crate) frames: Vec<(Header, Bytes)>,
    /// Sent as it is, not at all, or something else in its place.
    pub(crate) manner: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sent {
    AsWritten,
    Never,
    Replaced,
}

impl Transcript {
    pub(crate) fn load(json: &Json, crossed: bool) -> Transcript {
        let name = json["name"].as_str().unwrap().to_owned();
        let mut steps = Vec::new();
        for (at, step) in json["steps"].as_array().unwrap().iter().enumerate() {
            let listed =
                |list: &[(&str, usize, &str)]| list.iter().any(|entry| (entry.0, entry.1) == (name.as_str(), at));
            let manner = match (listed(&NOT_SENT), listed(&REPLACED)) {
                (true, false) => Sent::Never,
                (false, true) => Sent::Replaced,
                _ => Sent::AsWritten,
            };
            let broken = step["error"].is_string();
            assert!(
                !broken || manner != Sent::AsWritten,
                "{name} step {at}: the client cannot send this, and it is not listed"
            );
            let data = unhex(step["hex"].as_str().unwrap());
            let side = if step["side"] == "client" { Side::Client } else { Side::Server };
            let frames = if manner == Sent::Never { Vec::new() } else { cut(&data) };
            steps.push(Step { at, side, data, frames, manner });
        }
        if crossed {
            cross(&mut steps);
        }
        let mut requests: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for step in steps.iter().filter(|step| step.side == Side::Client) {
            for (header, body) in step.frames.iter().filter(|(header, _)| header.kind == Kind::Request) {
                requests.entry(header.id).or_default().extend_from_slice(body);
            }
        }
        Transcript { name, authenticated: json["authenticated"].as_bool().unwrap(), steps, requests }
    }

    /// The request of `id`. What a refused upload never sent is more of the text that it ends in.
    pub(crate) fn request(&self, id: u64) -> Request {
        let mut body = self.requests[&id].clone();
        let announced = u32::from_le_bytes(*body.first_chunk().unwrap()) as usize;
        if body.len() < announced {
            let more = *body.last().unwrap();
            body.resize(announced - 2, more);
            body.resize(announced, 0);
        }
        Request::decode(&body).unwrap()
    }
}

/// Takes each CANCEL before the step in front of it that ended its request.
fn cross(steps: &mut [Step]) {
    for at in 1..steps.len() {
        let (Some((end, _)), Some((cancel, _))) = (steps[at - 1].frames.last(), steps[at].frames.first()) else {
            continue;
        };
        if cancel.kind == Kind::Cancel && end.id == cancel.id && end.flags.end() {
            steps.swap(at - 1, at);
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn cut(mut data: &[u8]) -> Vec<(Header, Bytes)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<HEADER_LEN>() {
        let header = Header::decode(head).unwrap();
        let (body, rest) = rest.split_at(header.length as usize);
        frames.push((header, Bytes::copy_from_slice(body)));
        data = rest;
    }
    assert!(data.is_empty(), "a step ends within a frame");
    frames
}
