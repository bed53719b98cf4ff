//! The proxy as a whole: bind, accept, drain.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use destrier_policy::{Address, ListenerPolicy};
use socket2::Socket;

use crate::access_log::LogWriter;
use crate::drain::Drain;
use crate::listener::{self, Acceptor};
use crate::scope::ListenerScope;
use crate::worker::Workers;
use crate::{ProxyConfig, ProxyStats};

/// The longest that an idle HTTP/1 connection waits for a last request when the proxy drains, as a share of
/// the drain time: the request may be on its way, and closing would lose it.
const IDLE_SHARE: u32 = 4;

/// The same, at most.
const IDLE_GRACE: Duration = Duration::from_secs(1);

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
    /// One for each listener.
    drains: Vec<Arc<Drain>>,
    /// Bound and not yet listening.
    bound: Mutex<Vec<(Socket, Arc<ListenerScope>)>>,
    acceptor: Mutex<Option<Acceptor>>,
    workers: Arc<Workers>,
    // Last: what connections say at their end is still written.
    logs: LogWriter,
}

impl Proxy {
    /// Binds every listener and starts the workers; nothing is accepted yet (connections are refused by
    /// the system until [`Proxy::accept`]).
    ///
    /// # Errors
    /// The first listener that could not be bound; none stays bound then.
    ///
    /// # Panics
    /// When the system gives no threads for the workers.
    pub fn bind(config: ProxyConfig) -> Result<Self, BindError> {
        let stats = Arc::new(ProxyStats::default());
        let logs = LogWriter::new(config.access_log_flush, Arc::clone(stats.access_log()));
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for policy in config.listeners {
            let socket = listener::bind(&policy.address)
                .map_err(|cause| BindError::new(&policy, &policy.address, cause))?;
            let name = display_name(&policy, &socket.address);
            let scope = ListenerScope::new(
                &policy,
                Arc::clone(&name),
                socket.address.clone(),
                &config.node,
                &stats,
                &logs,
            );
            listeners.push(BoundListener { name, address: socket.address, policy });
            bound.push((socket.socket, Arc::new(scope)));
        }
        let workers = Workers::spawn(config.concurrency, &config.directory)
            .expect("the system gives threads to a process that starts");
        Ok(Self {
            drains: listeners.iter().map(|_| Arc::default()).collect(),
            listeners,
            stats,
            bound: Mutex::new(bound),
            acceptor: Mutex::default(),
            workers: Arc::new(workers),
            logs,
        })
    }

    /// Starts listening and accepting. To be called once, when the agent is ready.
    ///
    /// # Errors
    /// The first listener that could not listen, e.g. since another process took the port meanwhile.
    pub fn accept(&self) -> Result<(), BindError> {
        let bound = std::mem::take(&mut *lock(&self.bound));
        for (index, (socket, _)) in bound.iter().enumerate() {
            listener::listen(socket).map_err(|cause| self.error(index, cause))?;
        }
        if bound.is_empty() {
            return Ok(());
        }
        let bound = bound.into_iter().zip(&self.drains);
        let bound = bound.map(|((socket, scope), drain)| (socket, scope, Arc::clone(drain)));
        let acceptor = Acceptor::spawn(bound.collect(), Arc::clone(&self.workers));
        *lock(&self.acceptor) = Some(acceptor.map_err(|cause| self.error(0, cause))?);
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
    /// when what is left is cut. Idle HTTP/1 connections are closed after a second, or a quarter of the
    /// drain time if that is shorter. Access logs are written out. Needs a runtime with a timer.
    pub async fn drain(&self, drain_time: Duration) {
        self.ask_to_leave(drain_time, |_| true);
        // Never accepted: nothing to take, only to close.
        drop(std::mem::take(&mut *lock(&self.bound)));
        let acceptor = lock(&self.acceptor).take();
        drop(acceptor);
        if tokio::time::timeout(drain_time, self.all_closed()).await.is_err() {
            self.workers.stop();
            self.all_closed().await;
        }
        self.logs.flush();
    }

    /// Asks the clients of some listeners to leave, as [`Proxy::drain`] does, and goes on accepting.
    /// Connections that come later are asked with their first answer. There is no way back.
    pub fn ask_to_leave(&self, drain_time: Duration, which: impl Fn(&BoundListener) -> bool) {
        let grace = IDLE_GRACE.min(drain_time / IDLE_SHARE);
        self.some(which).for_each(|drain| drain.begin(grace));
    }

    /// Closes some listeners (connections in the accept queue are taken first). Connections stay.
    pub fn stop_accepting(&self, which: impl Fn(&BoundListener) -> bool) {
        self.some(which).for_each(|drain| drain.close_listener());
    }

    fn some(&self, which: impl Fn(&BoundListener) -> bool) -> impl Iterator<Item = &Drain> {
        let all = self.listeners.iter().zip(&self.drains);
        all.filter(move |(listener, _)| which(listener)).map(|(_, drain)| &**drain)
    }

    async fn all_closed(&self) {
        for drain in &self.drains {
            drain.all_closed().await;
        }
    }

    /// Opens the files of access logs anew before their next line, as after they were moved away
    /// (`SIGUSR1`, `POST /reopen_logs`).
    pub fn reopen_logs(&self) {
        self.logs.reopen();
    }

    fn error(&self, index: usize, cause: io::Error) -> BindError {
        let listener = &self.listeners[index];
        BindError { listener: Arc::clone(&listener.name), address: listener.address.clone(), cause }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(lock(&self.acceptor).take());
        self.workers.stop();
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl BindError {
    fn new(policy: &ListenerPolicy, address: &Address, cause: io::Error) -> Self {
        Self { listener: display_name(policy, address), address: address.clone(), cause }
    }
}

fn display_name(policy: &ListenerPolicy, address: &Address) -> Arc<str> {
    if policy.name.is_empty() { address.to_string().into() } else { Arc::clone(&policy.name) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each critical section leaves its value whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
