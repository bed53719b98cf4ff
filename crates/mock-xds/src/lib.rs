//! mock-xds
