//! The ADS client: subscribe, validate the envelope, ACK or NACK, reconnect, resume.
//!
//! * [`Session`] is the protocol without I/O: bytes and the time go in, requests, [`Update`]s and
//!   deadlines come out. [`Driver`] runs one over tonic on the current thread.
//! * This crate must never know what a resource *means*. It reads the name of a resource and
//!   nothing else; whether a resource is good is the handler's [`Verdict`].
//! * An ACK means validated and stored. What was refused is never remembered as held, and losing
//!   the control plane changes nothing that is held.
//! * Start reading at [`Session`], then `sift` (from message to update).

mod backoff;
mod config;
mod deadlines;
mod driver;
mod error;
mod nack;
mod probe;
mod servers;
mod session;
mod sift;
mod status;
mod subscription;
mod type_url;
mod update;
mod wire;

pub use config::{Backoff, NodeOn, SessionConfig, Unmentioned, Variant, Wildcard};
pub use driver::{
    ControlPlane, Credentials, Driver, DriverConfig, Duplex, Keepalive, Secure, Securing, Server,
    Subscriptions,
};
pub use error::StreamError;
pub use session::{Session, Ticket};
pub use status::{SessionStatus, StatusHandle, TypeStatus};
pub use type_url::TypeUrl;
pub use update::{Event, Rejection, Reply, Resource, Update, Verdict};
