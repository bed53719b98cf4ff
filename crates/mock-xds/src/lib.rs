//! A control plane to test against: it serves the resources that it is given over ADS, in both
//! variants of the protocol, records all that clients send, and misbehaves on request.
//!
//! It must share no code with `destrier-xds`, so that an error in reading the protocol is not
//! made on both sides alike.
//!
//! Start at [`MockXds`]: [`MockXds::start`] listens, [`MockXds::apply`] publishes [`Changes`],
//! [`MockXds::wait_for`] looks at the [`Recorded`] requests. [`Behaviour`] says which real server
//! it is like, [`Script`] what it does wrong. [`load_folder`] reads resources from files.
//!
//! ```
//! use std::time::Duration;
//! use destrier_mock_xds::{Changes, MockXds, Purpose, eds_cluster, endpoints, type_url};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MockXds::start_local().await?;
//! let backends = ["127.0.0.1:8080".parse()?];
//! server.apply(
//!     Changes::new().cluster(&eds_cluster("web")).endpoints(&endpoints("web", &backends)),
//! );
//! // … an agent connects to server.address() …
//! let ack = |seen: &destrier_mock_xds::Recorded| seen.is(type_url::CLUSTER, Purpose::Ack);
//! server.wait_for_request("an ACK of the clusters", Duration::from_secs(10), ack).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, `delta.rs` and `sotw.rs` are the two variants without I/O, `stream.rs` drives one of
//! them for one client stream, and `service.rs` is the gRPC end, which works on bytes, so that a
//! script can send what no message type would encode.

mod behaviour;
mod builders;
mod changes;
mod delta;
mod folder;
mod io;
mod recording;
mod script;
mod server;
mod service;
mod sotw;
mod store;
mod stream;
pub mod type_url;

pub use behaviour::{
    Absent, Behaviour, NamedPush, Rejected, ResourceVersions, Resubscribe, StaleNonce,
};
pub use builders::{eds_cluster, endpoints};
pub use changes::Changes;
pub use folder::{FolderError, load_folder};
pub use io::Listen;
pub use recording::{Purpose, Recorded, Request, StreamId, TimedOut, Variant};
pub use script::{Headers, Response, Script};
pub use server::MockXds;
