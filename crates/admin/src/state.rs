//! Where the server is in its life (`server_info.proto: ServerInfo.State`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A stage of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Serving.
    Live,
    /// On the way out: listeners are closed or closing.
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

/// The stage, shared by those who set it and those who show it.
#[derive(Clone, Debug)]
pub struct ServerState(Arc<AtomicU8>);

impl ServerState {
    /// Begins at [`Stage::PreInitializing`].
    pub fn new() -> Self {
        Self(Arc::new(AtomicU8::new(Stage::PreInitializing.number())))
    }

    /// Enters a stage.
    pub fn set(&self, stage: Stage) {
        self.0.store(stage.number(), Ordering::Release);
    }

    /// The stage of this moment.
    pub fn get(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
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
