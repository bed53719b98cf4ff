//! The agent put together: flags, bootstrap, threads, start and end. Wiring only; what is decided is
//! decided in the crates.
//!
//! Start reading at [`agent::Agent`]: its `start` makes every part, `src/control.rs` joins the session
//! with the control plane and the assembler.

pub mod agent;
pub mod args;
pub mod bootstrap;
mod control;
pub mod demo;
mod dns;
pub mod health;
mod last_good;
mod node;
mod options;
pub mod telemetry;
mod xds;
