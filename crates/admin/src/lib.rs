//! The admin port: shows everything, changes almost nothing.
//!
//! Paths, shapes and names are Envoy's where Envoy has the thing, so that dashboards, `istioctl` and hands
//! find what they know; what we add has paths of its own (`/lb`, `/breakers`, `/not_in_force`). A value that
//! is not kept is absent, never zero for show.
//!
//! It runs on the control thread and reads snapshots: it never blocks the data path, and it never decides
//! anything. Start reading at [`serve`], then `answer` for the table of paths.

mod answer;
mod breakers;
mod clusters;
mod config_dump;
mod lb;
mod listeners;
mod memory;
mod not_in_force;
mod query;
mod server_info;
mod sources;
mod state;
mod stats;

pub use answer::{AdminListener, serve};
pub use sources::Sources;
pub use state::{ServerState, Stage};
pub use stats::{DefaultTags, StatsTag, StatsTagValue, Tags};
