//! Settings of our own: keys `destrier.*` of `layered_runtime.static_layer`.

use std::time::Duration;

use crate::RemovedEndpoints;

/// The keys `destrier.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `destrier.deletion_grace`: how long a removed cluster that a route still names is kept, as in
    /// `"60s"`. Default 60 s.
    pub deletion_grace: Duration,
    /// `destrier.eds_removed_endpoints`: `"keep"` (default, as in Envoy) or `"clear"`: what EDS
    /// `removed_resources` does to the endpoints held.
    pub removed_endpoints: RemovedEndpoints,
    /// `destrier.xds_max_message_bytes`: the largest response of the control plane. Default 200 MiB.
    pub xds_max_message_bytes: usize,
    /// `destrier.xds_wildcard`: `"legacy"` (default) subscribes to all clusters by an empty list,
    /// `"explicit"` by `*`.
    pub xds_wildcard: Wildcard,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deletion_grace: Duration::from_secs(60),
            removed_endpoints: RemovedEndpoints::Keep,
            xds_max_message_bytes: 200 << 20,
            xds_wildcard: Wildcard::Legacy,
        }
    }
}

/// How the delta subscription to all clusters is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wildcard {
    /// An empty list.
    #[default]
    Legacy,
    /// `*`.
    Explicit,
}
