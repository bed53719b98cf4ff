//! Protobuf messages of Envoy's API to the values of `policy`, and the assembly of those values into
//! complete snapshots.
//!
//! * A resource is either translated whole or refused with *all* its faults ([`Rejection`]): nothing
//!   here stops at the first, and nothing panics on input.
//! * No field is read and forgotten: each stands in a table of [`fields`], which says whether it is in
//!   force, and `docs/fields.md` is written from it.
//! * This crate must never know tokio, I/O, clocks or how a cluster is run.
//! * Start reading at [`translate_cluster`] and [`translate_endpoints`].

mod assembler;
mod bootstrap;
mod cluster;
mod endpoints;
pub mod fields;
mod http_options;
mod listener;
mod path;
mod proto;
mod rejection;
mod report;
mod source;
mod timeline;
mod tls;

pub use assembler::{
    Absent, Assembler, AssemblerSettings, CLUSTER_TYPE, CacheStates, Change, ClustersFrom,
    ConfigStore, DnsTarget, ENDPOINTS_TYPE, ErrorState, Now, RemovedEndpoints, ResourceRef,
    Standing, StoredResource, StoredVersion, Wanted, assignment_name,
};
pub use bootstrap::{
    AdsPlan, AdsProtocol, AdsServer, AdsTarget, BootstrapPlan, CallCredential, FilePlan, NodeOn,
    Settings, StaticCluster, StaticListener, Wildcard, translate_bootstrap,
};
pub use cluster::{
    DnsAssignment, DnsEndpoint, DnsLocality, LoadAssignment, TranslatedCluster, translate_cluster,
};
pub use endpoints::translate_endpoints;
pub use listener::{TranslatedListener, parse_format, translate_listener};
pub use rejection::Rejection;
pub use timeline::{Arrival, Passage, Timeline};
