//! Envoy's messages as protobuf JSON and YAML, in both directions.
//!
//! Reading: [`parse_bootstrap`] for what the user writes, [`parse_yaml`] and [`Pool::parse`] for
//! single steps. Printing: [`Pool::to_value`], as Envoy's admin port prints. The descriptors of
//! all messages are tables in the binary, made by the build script from those of envoy-types;
//! JSON is read straight to the wire format of protobuf and printed straight from it.
//!
//! Extensions are known by the type URL of their `Any`, never by a `name` beside it, and a type
//! that is not known is kept as bytes: it never fails a document. Nothing here may know what a
//! field is for; what is refused and why is the business of `destrier-control`.
//!
//! Start at [`Pool`]; `read.rs` is JSON to message, `write.rs` the way back, `table.rs` the
//! descriptors.

mod bootstrap;
mod error;
mod merge;
mod path;
mod pool;
mod read;
mod scalar;
mod table;
mod time;
mod well_known;
mod wire;
mod write;
mod yaml;

pub use bootstrap::parse_bootstrap;
pub use error::{JsonError, Position};
pub use merge::merge;
pub use pool::{Defaults, Parsed, Pool, UnknownFields, UnknownType};
pub use yaml::parse_yaml;
