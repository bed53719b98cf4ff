//! The admin port: shows everything, changes almost nothing.
//!
//! Paths, shapes and names are Envoy's where Envoy has the thing, so that dashboards, `istioctl` and hands
//! find what they know; what we add has paths of its own (`/lb`, `/breakers`, `/not_in_force`). A value that
//! is not kept is absent, never zero for show.
//!
//! It runs on the control thread and reads snapshots: it never blocks the data path, and it never decides
//! anything. What grows with the number of clusters is written while it is sent (`stream`).
//!
//! Start reading at [`serve()`], then `pages` for the table of paths.

mod answer;
mod breakers;
mod clusters;
mod config_dump;
mod csds;
mod files;
mod home;
mod init_dump;
mod json;
mod lb;
mod lifecycle;
mod listeners;
mod logging;
mod memory;
mod not_in_force;
mod pages;
mod query;
mod runtime;
mod serve;
mod server_info;
mod sources;
mod state;
mod stats;
mod stream;
mod timeline;
mod unavailable;

pub use logging::{LogLevelError, LogLevels};
pub use runtime::RuntimeValues;
pub use serve::{AdminListener, serve};
pub use sources::Sources;
pub use state::{HealthChecks, ServerState, Stage};
pub use stats::{DefaultTags, StatsTag, StatsTagValue, Tags};
