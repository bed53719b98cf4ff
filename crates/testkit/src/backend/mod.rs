//! A server whose behaviour is changed while it runs.

mod answer;
mod behaviour;
mod body;
mod connection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::{io, thread};

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use behaviour::{Behaviour, Fault};

use crate::{Counts, net};

/// An HTTP/1.1 and HTTP/2 (prior knowledge) server. It is reset when dropped; [`Backend::shutdown`]
/// lets it end in order.
///
/// Every answer names it in `x-backend` and the connection, counted from 1, in `x-connection`. The
/// path picks the answer: `/bytes/N` has a body of N bytes, `/status/N` that status, `/delay/MS` waits,
/// `/echo` sends the body back as it comes, `/headers` tells the request's head, `/early` answers
/// before it has read the body; any other answers the backend's name. A body is read to its end before
/// the answer but for `/echo` and `/early`. `content-type: application/grpc` is answered with the
/// request's bytes and trailers, and an `upgrade` header with 101 and an echo.
#[derive(Debug)]
pub struct Backend {
    addr: SocketAddr,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

/// What the handle, the accept loop and the connections know together.
#[derive(Debug)]
struct Shared {
    name: HeaderValue,
    behaviour: watch::Sender<Arc<Behaviour>>,
    counts: Arc<Counts>,
    /// No new connections; those that are there finish what they do.
    drain: CancellationToken,
    /// Everything ends at once.
    kill: CancellationToken,
    connections: TaskTracker,
}

#[derive(Debug)]
enum Command {
    Refuse(oneshot::Sender<()>),
    Listen(oneshot::Sender<io::Result<()>>),
}

impl Backend {
    /// Listens on `addr`, served by the current runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or the name cannot stand in a header.
    pub fn start(name: &str, addr: SocketAddr) -> io::Result<Self> {
        let (backend, listener, commands) = Self::bind(name, addr)?;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(accept(listener, backend.addr, Arc::clone(&backend.shared), commands));
        Ok(backend)
    }

    /// Listens on `addr`, served by a thread with a runtime of its own.
    ///
    /// # Errors
    /// As for [`Backend::start`], or the thread cannot be started.
    pub fn start_on_thread(name: &str, addr: SocketAddr) -> io::Result<Self> {
        let (backend, listener, commands) = Self::bind(name, addr)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (shared, addr) = (Arc::clone(&backend.shared), backend.addr);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async move {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    accept(listener, addr, Arc::clone(&shared), commands).await;
                }
                shared.connections.wait().await;
            });
        })?;
        Ok(backend)
    }

    fn bind(
        name: &str,
        addr: SocketAddr,
    ) -> io::Result<(Self, std::net::TcpListener, mpsc::UnboundedReceiver<Command>)> {
        let listener = net::listen(addr)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            name: HeaderValue::from_str(name).map_err(io::Error::other)?,
            behaviour: watch::Sender::new(Arc::new(Behaviour::default())),
            counts: Arc::default(),
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
            connections: TaskTracker::new(),
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        Ok((Self { addr, shared, commands }, listener, receiver))
    }

    /// Where it listens; the same after [`Backend::refuse`] and [`Backend::listen`].
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has seen.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Changes the behaviour, for requests that come from now on and for connections that idle.
    pub fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.behaviour.send_modify(|behaviour| change(Arc::make_mut(behaviour)));
    }

    /// Closes the listener: from when this returns, who connects is refused. Connections stay.
    pub async fn refuse(&self) {
        let (done, answer) = oneshot::channel();
        if self.commands.send(Command::Refuse(done)).is_ok() {
            // Nobody answers when the backend has ended, and then nobody is accepted either.
            let _ = answer.await;
        }
    }

    /// Listens again after [`Backend::refuse`].
    ///
    /// # Errors
    /// The address was taken meanwhile, or the backend has ended.
    pub async fn listen(&self) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let ended = || io::Error::other("the backend has ended");
        self.commands.send(Command::Listen(done)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Accepts no more and waits until the requests in flight have ended.
    pub async fn shutdown(self) {
        self.shared.drain.cancel();
        self.shared.connections.close();
        self.shared.connections.wait().await;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.connections.close();
        self.shared.kill.cancel();
    }
}

/// Accepts until the backend ends; listens and does not as it is told.
async fn accept(
    listener: TcpListener,
    addr: SocketAddr,
    shared: Arc<Shared>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut listener = Some(listener);
    loop {
        tokio::select! {
            biased;
            () = shared.kill.cancelled() => return,
            () = shared.drain.cancelled() => return,
            command = commands.recv() => match command {
                None => return,
                Some(Command::Refuse(done)) => {
                    listener = None;
                    // The caller may have stopped waiting; the same below.
                    let _ = done.send(());
                }
                Some(Command::Listen(done)) => {
                    let again = match listener.take() {
                        Some(open) => Ok(open),
                        None => net::listen(addr).and_then(TcpListener::from_std),
                    };
                    let _ = done.send(again.map(|open| listener = Some(open)));
                }
            },
            accepted = accept_one(listener.as_ref()) => {
                if let Ok(stream) = accepted {
                    let entered = shared.counts.enter(|counts| &counts.connections);
                    let number = shared.counts.connections.total();
                    let serve = connection::serve(stream, number, Arc::clone(&shared), entered);
                    shared.connections.spawn(serve);
                }
            }
        }
    }
}

/// Accepts one connection; never, while there is no listener.
async fn accept_one(listener: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}
