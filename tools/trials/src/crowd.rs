//! Many connections, many sessions.
