//! The same bootstrap, backends and requests for Envoy and for us: the outcomes have to be the same.
//!
//! Envoy is `$ENVOY_BIN`, else `.cache/envoy/envoy/_bin/envoy`, else `envoy` in the path. Without one
//! the tests say that they were skipped.

mod answers;
mod envoy;
mod picks;
