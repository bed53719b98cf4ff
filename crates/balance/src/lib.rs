//! Which host gets the next request: pure pickers over a dense list of hosts.
//!
//! * A [`Picker`] is immutable and made anew whenever the usable hosts or their weights change. What
//!   outlives it, the position in the rotation, is in [`LbState`], shared by all workers, so that
//!   the order is one order for the whole process.
//! * This crate must never know where hosts come from, block on I/O, allocate during a pick, or read
//!   a clock. Randomness is an argument. Health is decided by whoever builds the list; a pick only
//!   passes over hosts whose eligibility was taken away since.
//! * Start reading at [`Picker::pick`], then `rotation` (round robin) and `least_request`.

mod draws;
mod edf;
mod hash;
mod least_request;
mod picker;
mod rotation;
mod subset;

pub use hash::{
    HashTable, KeyedHost, OverBudget, TableBudget, TableRefused, TableStats, hash_bytes,
    hash_bytes_seeded, host_key,
};
pub use picker::{Candidate, LbState, Picker, Preference};
pub use subset::{SubsetGroup, SubsetIndex, Tries};
