//! The conversations of `proto-spec/vectors/transcripts`, with the client as one side and a server that plays the other.
//!
//! Every transcript of the folder is run, so that a new one is met at once. What differs from the written conversation by
//! right is named: the two tables below, the nonces of SCRAM, and that an upload's free bytes may leave in other fragments.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[path = "../support/hello.rs"]
mod hello;
mod play;
mod server;
mod transcript;

use std::path::Path;
use std::time::Duration;

use vitrail_proto::limits::{Limits, MIN_MAX_FRAME};

use play::Play;
use transcript::Transcript;

/// Transcript, step, and why this client cannot send it. The rest of the conversation goes on without.
const NOT_SENT: [(&str, usize, &str); 2] = [
    ("unknown-kind", 1, "the client has no extension kinds"),
    ("unknown-kind", 4, "the client sends no kind that version 1 does not have"),
];

/// Transcript, step, and why an ordinary statement is sent in its place: the answer is what is looked at.
const REPLACED: [(&str, usize, &str); 2] = [
    ("unknown-field", 2, "the client has no critical field that version 1 does not have"),
    ("unknown-op", 0, "the client has no op that version 1 does not have"),
];

/// How a transcript is played.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Bytes that the stream holds: 1 makes every read of either side see one byte.
    pipe: usize,
    /// The largest frame that the server accepts, where the transcript does not say.
    max_frame: u32,
    /// A CANCEL that the transcript sends after the END leaves before the END arrives.
    crossed: bool,
}

#[tokio::test]
async fn in_one_chunk() {
    all(Manner { pipe: 1 << 20, max_frame: Limits::default().max_frame, crossed: false }).await;
}

#[tokio::test]
async fn byte_by_byte() {
    all(Manner { pipe: 1, max_frame: Limits::default().max_frame, crossed: false }).await;
}

#[tokio::test]
async fn in_small_frames_with_cancels_that_cross_the_end() {
    all(Manner { pipe: 1 << 20, max_frame: MIN_MAX_FRAME, crossed: true }).await;
}

async fn all(manner: Manner) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-spec/vectors/transcripts");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let transcript = Transcript::load(&serde_json::from_str(&text).unwrap(), manner.crossed);
        names.push(transcript.name.clone());
        let played = tokio::time::timeout(Duration::from_secs(20), Play::run(&transcript, manner)).await;
        assert!(played.is_ok(), "{} hangs, {manner:?}", transcript.name);
    }
    let listed = NOT_SENT.iter().chain(&REPLACED).map(|(name, ..)| *name);
    for name in listed {
        assert!(names.iter().any(|known| known == name), "{name} is listed and does not exist");
    }
    assert!(names.len() >= 19, "transcripts are missing: {names:?}");
}
