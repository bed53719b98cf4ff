//! A gate that holds whoever comes until it is opened.

use tokio::sync::watch;

/// Holds tasks until it is opened; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: watch::Sender<bool>,
}

impl Gate {
    /// A gate that lets nobody pass yet.
    pub fn closed() -> Self {
        Self { open: watch::Sender::new(false) }
    }

    /// Lets everybody pass who waits and who comes later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Holds whoever comes from now on.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// How many wait at the gate now.
    pub fn waiting(&self) -> usize {
        self.open.receiver_count()
    }
}
