//! envoy-json
