//! Live clusters: joins policy with state, admits, picks, pools, connects and sends.
//!
//! * [`ClusterManager`] is the single writer. It joins each new [`destrier_policy::Snapshot`] with the
//!   state that outlives it and publishes the result in one `ArcSwap`.
//! * [`Forward`] is the data path: a request loads the clusters once, holds one [`Cluster`] for its life,
//!   and is admitted, given a host and a connection, and sent.
//! * `pool` keeps, shares and limits connections; [`h1`] and `h2` send a request over one.
//! * This crate must never know protobuf, xDS or listeners.
//! * Start reading at [`Cluster`], then [`Forward::send`], then [`ClusterManager`].

mod active;
mod affinity;
mod body;
mod breakers;
mod cluster;
mod connect;
mod error;
mod forward;
mod go_on;
pub mod h1;
mod h2;
mod hash;
mod histogram;
mod host;
mod io;
mod manager;
mod original_dst;
mod payload;
mod pool;
mod reconcile;
mod retry;
mod stats;
mod tcp;

pub use affinity::Affinity;
pub use body::Body;
pub use breakers::{Breakers, Limit, Usage};
pub use cluster::{Cluster, ClusterState, Clusters, Directory, NoHost};
pub use destrier_balance::{LevelOutline, Preference, TableOutline, hash_bytes};
pub use error::{BodyError, ForwardError, Origin, ResponseFlag};
pub use forward::{Downstream, Forward, Target, UpstreamInfo};
pub use go_on::GoOn;
pub use histogram::{Bin, Histogram};
pub use host::{ActiveRequest, Host, HostState, Standing};
pub use io::{Quiet, Stream};
pub use manager::{ClusterManager, Place};
pub use pool::Pools;
pub use stats::{
    Caller, ClusterStats, CodeCounts, Counter, Gauge, HostStats, Stat, StatValue, StatVisitor,
};
pub use tcp::TcpLease;
