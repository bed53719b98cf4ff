//! The agent put together: flags, bootstrap, threads, start and end. Wiring only; what is decided is
//! decided in the crates.
//!
//! Start reading at [`agent::Agent`].

pub mod args;
pub mod telemetry;
