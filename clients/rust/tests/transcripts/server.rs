//! The server's side of a transcript.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use vitrail_proto::frame::{Flags, HEADER_LEN, Header, Kind, Message, Reassembler, Received, write_message};
use vitrail_proto::limits::MIN_MAX_FRAME;
use vitrail_proto::message::Credit;

/// The server's end of the stream, and all that the client has sent.
pub(crate) struct Server {
    pub(crate) stream: DuplexStream,
    pub(crate) check: Reassembler,
    /// Messages of the handshake, with their bodies.
    pub(crate) opening: VecDeque<Message>,
    /// First frames in their order, without CREDIT.
    pub(crate) order: Vec<(Kind, u64)>,
    /// Bodies of requests as far as they have come.
    pub(crate) requests: HashMap<u64, Vec<u8>>,
    /// Sums of CREDIT.
    pub(crate) credits: BTreeMap<u64, u64>,
}

impl Server {
    /// Reads one frame; false at the end of the stream.
    pub(crate) async fn receive(&mut self) -> bool {
        let mut head = [0; HEADER_LEN];
        if self.stream.read(&mut head[..1]).await.unwrap() == 0 {
            return false;
        }
        self.stream.read_exact(&mut head[1..]).await.unwrap();
        let header = Header::decode(&head).unwrap();
        let mut body = vec![0; header.length as usize];
        self.stream.read_exact(&mut body).await.unwrap();
        let body = Bytes::from(body);
        let received = self.check.push(header, body.clone()).expect("the client keeps the rules of frames");
        match header.kind {
            Kind::Hello | Kind::Auth => {
                let Received::Message(message) = received else { panic!("a handshake in fragments") };
                self.opening.push_back(message);
            }
            Kind::Credit => {
                *self.credits.entry(header.id).or_default() += u64::from(Credit::decode(&body).unwrap().bytes);
            }
            Kind::Request if self.requests.contains_key(&header.id) => {
                self.requests.get_mut(&header.id).unwrap().extend_from_slice(&body);
            }
            kind => {
                self.order.push((kind, header.id));
                if kind == Kind::Request {
                    self.requests.insert(header.id, body.to_vec());
                }
            }
        }
        true
    }

    pub(crate) async fn receive_until(&mut self, done: impl Fn(&Server) -> bool) {
        while !done(self) {
            assert!(self.receive().await, "the client hung up");
        }
    }

    pub(crate) async fn receive_opening(&mut self, kind: Kind) -> Bytes {
        self.receive_until(|server| !server.opening.is_empty()).await;
        let message = self.opening.pop_front().unwrap();
        assert_eq!(message.kind, kind);
        message.body
    }

    pub(crate) async fn send(&mut self, data: &[u8]) {
        self.stream.write_all(data).await.unwrap();
    }

    pub(crate) async fn send_opening(&mut self, kind: Kind, body: &[u8]) {
        let mut out = Vec::new();
        write_message(&mut out, kind, Flags::NONE, 0, MIN_MAX_FRAME, body);
        self.send(&out).await;
    }
}
