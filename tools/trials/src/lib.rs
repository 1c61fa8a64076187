//! Trials of the whole: real `vitrail` processes over real servers that are killed, frozen and restarted, clients that vanish, a
//! network that misbehaves, and the books that show whether anything was lost or done twice.
//!
//! The tests are in `tools/vitrail/tests/trials`, because Cargo gives the binary to them; the long runs (`make crowd`, `make soak`, `make bench`)
//! are binaries of this crate and use the same parts.
//!
//! Layout: [`process`] (one `vitrail`), [`metrics`] (what it says of itself), [`rig`] (servers and processes put together), [`ledger`]
//! (every write with its fate, and the comparison with what is there), [`client`] (statements with limits, and what errors may say),
//! [`quiet`] (nothing is left in MySQL), [`proxy`] (a network that misbehaves at the n-th message), [`script`] (the conversation that it
//! disturbs), [`crowd`] (many connections, many sessions), [`soak`] (everything at random), [`goals`] (what the hot
//! path may cost), [`chance`] (seeded dice).

pub mod chance;
pub mod client;
pub mod crowd;
pub mod goals;
pub mod ledger;
pub mod metrics;
pub mod process;
pub mod proxy;
pub mod quiet;
pub mod rig;
pub mod script;
pub mod soak;
