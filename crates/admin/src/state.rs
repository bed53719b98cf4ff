//! Where the server is in its life (`server_info.proto: ServerInfo.State`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A stage of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Serving.
    Live,
    /// On the way out: listeners are closed or closing. Also while `/healthcheck/fail` is in force.
    Draining,
    /// Static clusters are not ready yet.
    PreInitializing,
    /// The control plane's resources are awaited.
    Initializing,
}

impl Stage {
    /// As `/ready` and `/server_info` print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }

    /// The gauge `server.state`.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// What whoever asks for the server's health is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthChecks {
    /// The truth.
    Pass,
    /// That it is draining, though it serves on: `/healthcheck/fail`.
    Fail,
}

/// The stage, shared by those who set it and those who show it.
#[derive(Clone, Debug)]
pub struct ServerState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stage: AtomicU8,
    fails: AtomicBool,
}

impl ServerState {
    /// Begins at [`Stage::PreInitializing`].
    pub fn new() -> Self {
        let stage = AtomicU8::new(Stage::PreInitializing.number());
        Self(Arc::new(Shared { stage, fails: AtomicBool::new(false) }))
    }

    /// Enters a stage.
    pub fn set(&self, stage: Stage) {
        self.0.stage.store(stage.number(), Ordering::Release);
    }

    /// What is told from now on.
    pub fn set_health_checks(&self, checks: HealthChecks) {
        self.0.fails.store(checks == HealthChecks::Fail, Ordering::Release);
    }

    /// The stage of this moment.
    pub fn get(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 if self.0.fails.load(Ordering::Acquire) => Stage::Draining,
            0 => Stage::Live,
            1 => Stage::Draining,
            2 => Stage::PreInitializing,
            _ => Stage::Initializing,
        }
    }
}

impl Default for ServerState {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_health_checks_hides_only_that_it_lives() {
        let state = ServerState::new();
        state.set_health_checks(HealthChecks::Fail);
        assert_eq!(state.get(), Stage::PreInitializing);
        state.set(Stage::Live);
        assert_eq!(state.get(), Stage::Draining);
        state.set_health_checks(HealthChecks::Pass);
        assert_eq!(state.get(), Stage::Live);
    }
}
