//! The handle that tests and the demonstration hold.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Server;

use crate::behaviour::Behaviour;
use crate::changes::Changes;
use crate::io::{Listen, Listener, Wire};
use crate::recording::{Recorded, StreamId, TimedOut, Variant};
use crate::script::{Response, Script};
use crate::service::Ads;
use crate::store::Store;
use crate::stream::Command;

/// A running control plane. Dropping it ends it.
///
/// What it serves and what it has recorded outlive [`stop`](Self::stop) and
/// [`restart`](Self::restart).
#[derive(Debug)]
pub struct MockXds {
    shared: Arc<Shared>,
    listen: Listen,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes the streams when resources have changed.
    pub(crate) revisions: watch::Sender<u64>,
    /// Counts the requests, to wake those who wait for one.
    pub(crate) arrivals: watch::Sender<u64>,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) behaviour: Behaviour,
    pub(crate) script: Script,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) streams: BTreeMap<StreamId, OpenStream>,
    /// Streams ever opened, refused ones included.
    pub(crate) opened: u64,
    /// Nonces are never used twice, not even on two streams.
    pub(crate) nonces: u64,
    cut: CancellationToken,
}

#[derive(Debug)]
pub(crate) struct OpenStream {
    pub(crate) variant: Variant,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MockXds {
    /// Listens and serves on the current runtime, with nothing to serve yet, like istiod.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(listen: Listen) -> io::Result<Self> {
        Self::start_like(Behaviour::istiod(), listen).await
    }

    /// As [`start`](Self::start), like another server.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_like(behaviour: Behaviour, listen: Listen) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { behaviour, ..State::default() }),
            revisions: watch::Sender::new(0),
            arrivals: watch::Sender::new(0),
            connections: AtomicU64::new(0),
        });
        let (listener, listen) = Listener::bind(&listen).await?;
        let accepting = serve(Arc::clone(&shared), listener);
        Ok(Self { shared, listen, accepting: Mutex::new(Some(accepting)) })
    }

    /// On a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start_local() -> io::Result<Self> {
        Self::start(Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))).await
    }

    /// Where it listens, with the port that it got. It stays the same over a restart.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// The TCP address; `None` on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.listen {
            Listen::Tcp(address) => Some(address),
            Listen::Unix(_) => None,
        }
    }

    /// Publishes changes as one version, which is returned. Open streams get them at once.
    pub fn apply(&self, changes: Changes) -> u64 {
        let mut state = self.shared.lock();
        let revision = state.store.apply(changes);
        self.shared.revisions.send_replace(revision);
        revision
    }

    /// Makes the served resources exactly those that `wanted` sets, and returns the changes that
    /// were published for it. Resources that stay equal are not sent again.
    pub fn replace(&self, wanted: Changes) -> Changes {
        let mut state = self.shared.lock();
        let changes = state.store.difference(wanted);
        if !changes.is_empty() {
            let revision = state.store.apply(changes.clone());
            self.shared.revisions.send_replace(revision);
        }
        changes
    }

    /// Changes the behaviour for all that follows.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.lock().behaviour = behaviour;
    }

    /// Changes the script for all that follows; `Script::new()` ends the misbehaviour. What was
    /// held back is then sent when its type next changes or is asked for.
    pub fn set_script(&self, script: Script) {
        self.shared.lock().script = script;
    }

    /// Sends a response, exactly as given, on each open stream of its variant, and returns how
    /// many those are.
    pub fn send(&self, response: &Response) -> usize {
        self.command(Some(response.variant()), &Command::Send(response.clone()))
    }

    /// Sends one gRPC message of any bytes on each open stream, and returns how many those are.
    pub fn send_bytes(&self, bytes: impl Into<Bytes>) -> usize {
        self.command(None, &Command::SendBytes(bytes.into()))
    }

    /// Ends each open stream with the status, and returns how many those were.
    pub fn close_streams(&self, status: Status) -> usize {
        self.command(None, &Command::Close(status))
    }

    fn command(&self, variant: Option<Variant>, command: &Command) -> usize {
        let state = self.shared.lock();
        let streams = state.streams.values();
        let chosen = streams.filter(|open| variant.is_none_or(|variant| open.variant == variant));
        chosen.filter(|open| open.commands.send(command.clone()).is_ok()).count()
    }

    /// Cuts all connections, without a word on their streams.
    pub fn drop_connections(&self) {
        std::mem::take(&mut self.shared.lock().cut).cancel();
    }

    /// Stops listening and cuts all connections.
    pub async fn stop(&self) {
        let accepting = self.lock_accepting().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // An aborted task ends with an error, which is what was asked for.
            let _ = accepting.await;
        }
        self.drop_connections();
    }

    /// Listens again at the same address, after [`stop`](Self::stop).
    ///
    /// # Errors
    /// When the address has been taken by another process.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let (listener, _) = Listener::bind(&self.listen).await?;
        *self.lock_accepting() = Some(serve(Arc::clone(&self.shared), listener));
        Ok(())
    }

    fn lock_accepting(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.accepting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open streams.
    pub fn streams(&self) -> Vec<(StreamId, Variant)> {
        self.shared.lock().streams.iter().map(|(id, open)| (*id, open.variant)).collect()
    }

    /// How many streams were ever opened, refused ones included.
    pub fn streams_opened(&self) -> u64 {
        self.shared.lock().opened
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// All requests so far, in the order of arrival over all streams.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().recorded.clone()
    }

    /// Takes the requests out of the record, waiting until there is one.
    pub async fn take_requests(&self) -> Vec<Recorded> {
        let mut arrivals = self.shared.arrivals.subscribe();
        loop {
            let taken = std::mem::take(&mut self.shared.lock().recorded);
            if !taken.is_empty() || arrivals.changed().await.is_err() {
                return taken;
            }
        }
    }

    /// Waits until `find` finds what it looks for among all requests so far.
    ///
    /// # Errors
    /// When it has found nothing at the end of `deadline`; `what` names it in the error.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut find: impl FnMut(&[Recorded]) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let deadline = Instant::now() + deadline;
        let mut arrivals = self.shared.arrivals.subscribe();
        loop {
            if let Some(found) = find(&self.shared.lock().recorded) {
                return Ok(found);
            }
            if timeout_at(deadline, arrivals.changed()).await.is_err() {
                return Err(TimedOut { waited_for: what.to_owned(), seen: self.requests() });
            }
        }
    }

    /// Waits for one request.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub async fn wait_for_request(
        &self,
        what: &str,
        deadline: Duration,
        mut is_it: impl FnMut(&Recorded) -> bool,
    ) -> Result<Recorded, TimedOut> {
        self.wait_for(what, deadline, |all| all.iter().find(|one| is_it(one)).cloned()).await
    }
}

impl Drop for MockXds {
    fn drop(&mut self) {
        if let Some(accepting) = self.lock_accepting().take() {
            accepting.abort();
        }
        self.drop_connections();
    }
}

fn serve(shared: Arc<Shared>, listener: Listener) -> JoinHandle<()> {
    let ads = Ads(Arc::clone(&shared));
    let incoming = stream::unfold((shared, listener), |(shared, listener)| async {
        let accepted = listener.accept().await.map(|socket| {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            Wire::new(socket, shared.lock().cut.clone())
        });
        Some((accepted, (shared, listener)))
    });
    tokio::spawn(async move {
        if let Err(err) = Server::builder().add_service(ads).serve_with_incoming(incoming).await {
            tracing::error!(%err, "the control plane has ended");
        }
    })
}
