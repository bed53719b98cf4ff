//! Envoy's `Bootstrap` to a [`BootstrapPlan`]: what is to be started, and how.

mod plan;
mod settings;

pub use self::plan::{
    AdsPlan, AdsProtocol, AdsTarget, BootstrapPlan, NodeOn, StaticCluster, StaticListener,
};
pub use self::settings::{Settings, Wildcard};
