//! The agent as a whole: control plane, agent and backends on loopback, a file per subject.
//!
//! Start reading at `mesh.rs`, which starts the parts; `process.rs` runs the built program.

mod admin;
mod balancing;
mod binary;
mod client;
mod control_plane_tls;
mod csds;
mod dns;
mod files;
mod h2spec;
mod health;
mod hostile;
mod interop;
mod mesh;
mod process;
mod protocols;
mod recorded;
mod removal;
mod session;
mod shares;
mod side_by_side;
mod state_dir;
mod updates;
