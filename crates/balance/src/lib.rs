//! Which host gets the next request: pure pickers over a dense list of hosts.
//!
//! * A [`Balancer`] is immutable and made anew whenever hosts, their health or weights, or the policy
//!   change. What outlives it, the positions in the rotations, is in [`LbState`], shared by all workers,
//!   so that an order is one order for the whole process.
//! * This crate must never know where hosts come from, block on I/O, allocate during a pick, or read
//!   a clock. Randomness and ages are arguments. Health is decided by whoever builds the balancer; a pick
//!   only passes over hosts that were excluded since.
//! * Building does all the work: priorities (`priority`), localities (`locality`), zones (`zone`), slow
//!   start (`slow_start`), hash tables (`hashed`) and subsets (`parts`) are decided there, and what is
//!   left for a pick is a short walk.
//! * Start reading at [`Balancer::pick`], then `levels`, `target`, `list`; for how it is made, at `build`.

mod balancer;
mod build;
mod candidate;
mod counters;
mod draws;
mod edf;
mod hash;
mod hashed;
mod least_request;
mod levels;
mod list;
mod locality;
mod outline;
mod parts;
mod priority;
mod rotation;
mod setup;
mod slow_start;
mod state;
mod subset;
mod target;
mod weights;
mod zone;

pub use balancer::Balancer;
pub use candidate::{Candidate, Preference};
pub use counters::LbCounters;
pub use hash::{OverBudget, TableBudget, TableRefused, TableStats, hash_bytes, hash_bytes_seeded};
pub use outline::{LevelOutline, TableOutline};
pub use setup::{Before, Health, Member, Setup};
pub use slow_start::slow_start_factor;
pub use state::LbState;
pub use zone::LocalCluster;
