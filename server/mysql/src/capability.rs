//! Capability flags of the handshake and command bytes, as the MySQL client/server protocol numbers them.

/// A set of capability flags.
pub(crate) type Capabilities = u32;

pub(crate) const LONG_PASSWORD: Capabilities = 1;
pub(crate) const LONG_FLAG: Capabilities = 1 << 2;
pub(crate) const CONNECT_WITH_DB: Capabilities = 1 << 3;
pub(crate) const PROTOCOL_41: Capabilities = 1 << 9;
pub(crate) const SSL: Capabilities = 1 << 11;
pub(crate) const TRANSACTIONS: Capabilities = 1 << 13;
pub(crate) const SECURE_CONNECTION: Capabilities = 1 << 15;
pub(crate) const MULTI_RESULTS: Capabilities = 1 << 17;
pub(crate) const PLUGIN_AUTH: Capabilities = 1 << 19;
pub(crate) const CONNECT_ATTRS: Capabilities = 1 << 20;
pub(crate) const PLUGIN_AUTH_LENENC_DATA: Capabilities = 1 << 21;
pub(crate) const SESSION_TRACK: Capabilities = 1 << 23;
pub(crate) const DEPRECATE_EOF: Capabilities = 1 << 24;

/// Asked of every server. LOCAL_FILES, MULTI_STATEMENTS and FOUND_ROWS are never asked for: the first lets a server read
/// files of ours, the second turns a quoting error into a second statement, the third belongs to a session, not to a pool.
pub(crate) const WANTED: Capabilities = LONG_PASSWORD
    | LONG_FLAG
    | PROTOCOL_41
    | TRANSACTIONS
    | SECURE_CONNECTION
    | MULTI_RESULTS
    | PLUGIN_AUTH
    | CONNECT_ATTRS
    | PLUGIN_AUTH_LENENC_DATA
    | SESSION_TRACK
    | DEPRECATE_EOF;

/// A server without these (older than MySQL 5.5.7) is refused.
pub(crate) const REQUIRED: Capabilities = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

pub(crate) const COM_QUIT: u8 = 0x01;
pub(crate) const COM_INIT_DB: u8 = 0x02;
pub(crate) const COM_QUERY: u8 = 0x03;
pub(crate) const COM_PING: u8 = 0x0e;
pub(crate) const COM_RESET_CONNECTION: u8 = 0x1f;
