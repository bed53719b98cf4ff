//! Consistent hashing: a table says which host a hash belongs to, and a change of the hosts moves few
//! hashes. Tables are bit for bit those of Envoy, so that both send a key to the same host.
//!
//! * A [`HashTable`] is built off the data path, is immutable, and takes its memory from a budget of the
//!   process ([`TableBudget`]).
//! * Host keys ([`host_key`]) and normalised weights come from the caller, in Envoy's order of
//!   operations: another order of the same sums moves points of a ring.

mod bounded;
mod budget;
mod function;
mod maglev;
mod mersenne;
mod ring;
mod table;
#[cfg(test)]
mod tests;

pub use budget::{OverBudget, TableBudget};
pub use function::{hash_bytes, hash_bytes_seeded};
pub(crate) use table::{HashTable, KeyedHost, host_key};
pub use table::{TableRefused, TableStats};
