//! Envoy's messages as protobuf JSON and YAML, in both directions.
//!
//! Reading: [`parse_bootstrap`] for what the user writes, [`parse_yaml`] and [`Pool::parse`] for
//! single steps. Printing: [`Pool::to_value`], as Envoy's admin port prints. A [`Pool`] holds the
//! descriptors of all messages; it costs about 10 MiB, so build one where it is needed and drop
//! it afterwards.
//!
//! Extensions are known by the type URL of their `Any`, never by a `name` beside it, and a type
//! that is not known is kept as bytes: it never fails a document. Nothing here may know what a
//! field is for; what is refused and why is the business of `destrier-control`.
//!
//! Start at [`Pool`]; `read.rs` is JSON to message, `write.rs` the way back.

mod bootstrap;
mod error;
mod merge;
mod path;
mod pool;
mod read;
mod scalar;
mod time;
mod well_known;
mod write;
mod yaml;

pub use bootstrap::parse_bootstrap;
pub use error::{JsonError, Position};
pub use merge::merge;
pub use pool::{Defaults, Parsed, Pool, UnknownFields, UnknownType};
pub use yaml::parse_yaml;
