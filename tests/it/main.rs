//! The agent as a whole: control plane, agent and backends on loopback, a file per subject.
//!
//! Start reading at `mesh.rs`, which starts the parts; `process.rs` runs the built program.

mod mesh;
mod recorded;
mod removal;
mod session;
mod updates;
