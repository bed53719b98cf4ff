//! Live clusters: joins policy with state, admits, picks, pools, connects and sends.
//!
//! * [`ClusterManager`] is the single writer. It joins each new [`destrier_policy::Snapshot`] with the
//!   state that outlives it and publishes the result in one `ArcSwap`.
//! * [`Forward`] is the data path: a request loads the clusters once, holds one [`Cluster`] for its life,
//!   and is admitted, given a host and a connection, and sent.
//! * This crate must never know protobuf, xDS or listeners.
//! * Start reading at [`Cluster`], then [`Forward::send`], then [`ClusterManager`].

mod body;
mod breakers;
mod cluster;
mod error;
mod forward;
mod io;
mod manager;
mod reconcile;
mod stats;

pub use body::Body;
pub use breakers::{Breakers, Limit};
pub use cluster::{Cluster, ClusterState, Clusters, Host, HostState};
pub use error::{ForwardError, Origin, ResponseFlag};
pub use forward::{Downstream, Forward, Target, TcpLease, UpstreamInfo};
pub use io::Stream;
pub use manager::{ClusterManager, Directory};
pub use stats::{ClusterStats, Counter, Gauge, Histogram, HostStats, StatValue};
