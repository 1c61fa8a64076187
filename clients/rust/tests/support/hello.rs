//! A server's part of the handshake, where a test plays the server itself.

use vitrail_proto::limits::Limits;
use vitrail_proto::message::ServerHello;

/// What a server says of itself, once it believes the client.
pub fn server_hello(limits: Limits) -> ServerHello {
    ServerHello {
        version: 1,
        capabilities: Vec::new(),
        max_frame: limits.max_frame,
        max_message: limits.max_message,
        connection_id: 1,
        flavour: "MySQL".into(),
        mysql_version: "9.7.4".into(),
        gates: Vec::new(),
        incarnation: "1".into(),
        max_age_ms: 0,
        challenge: Vec::new(),
        authenticated: true,
    }
}
