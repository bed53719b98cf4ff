//! Sockets that listen, and the thread that accepts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::Address;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::connection::Accepted;
use crate::drain::Drain;
use crate::scope::ListenerScope;
use crate::worker::Workers;

/// Connections that the system completes before we accept them.
const BACKLOG: i32 = 4096;

/// A bound socket.
pub(crate) struct Bound {
    pub(crate) socket: Socket,
    /// With the real port.
    pub(crate) address: Address,
}

/// Binds without listening.
///
/// # Errors
/// What the system says.
pub(crate) fn bind(address: &Address) -> io::Result<Bound> {
    let (domain, protocol, target) = match address {
        Address::Ip(ip) => (Domain::for_address(*ip), Some(Protocol::TCP), SockAddr::from(*ip)),
        Address::Pipe(path) => (Domain::UNIX, None, unix_address(path)?),
    };
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    match address {
        Address::Ip(_) => socket.set_reuse_address(true)?,
        // The file of a socket outlives its process; one that nobody listens on is in the way.
        Address::Pipe(path) if is_stale(path, &target) => std::fs::remove_file(path)?,
        Address::Pipe(_) => {}
    }
    socket.set_nonblocking(true)?;
    socket.bind(&target)?;
    let address = match socket.local_addr()?.as_socket() {
        Some(ip) => Address::Ip(ip),
        None => address.clone(),
    };
    Ok(Bound { socket, address })
}

/// `@name` is the abstract socket `\0name`.
fn unix_address(path: &std::path::Path) -> io::Result<SockAddr> {
    match path.to_str().and_then(|text| text.strip_prefix('@')) {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(path),
    }
}

fn is_stale(path: &std::path::Path, target: &SockAddr) -> bool {
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None);
    let refused = |socket: Socket| {
        socket.connect(target).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    path.exists() && probe.is_ok_and(refused)
}

/// The thread that accepts for all listeners. Accepting is little work and rare beside requests; one
/// thread keeps the counts exact by which connections are spread.
pub(crate) struct Acceptor {
    drains: Vec<Arc<Drain>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Acceptor {
    /// Accepts from sockets that listen.
    ///
    /// # Errors
    /// The thread or its runtime could not be made, or a socket could not be registered.
    pub(crate) fn spawn(
        listeners: Vec<(Socket, Arc<ListenerScope>, Arc<Drain>)>,
        workers: Arc<Workers>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let drains = listeners.iter().map(|(_, _, drain)| Arc::clone(drain)).collect();
        let sockets = {
            let _entered = runtime.enter();
            listeners
                .into_iter()
                .map(|(socket, scope, drain)| {
                    Ok((Listening::register(socket, &scope)?, scope, drain))
                })
                .collect::<io::Result<Vec<_>>>()?
        };
        let thread = std::thread::Builder::new().name("accept".into()).spawn(move || {
            runtime.block_on(async {
                let mut accepting = tokio::task::JoinSet::new();
                for (listening, scope, drain) in sockets {
                    accepting.spawn(accept(listening, scope, Arc::clone(&workers), drain));
                }
                while accepting.join_next().await.is_some() {}
            });
        })?;
        Ok(Self { drains, thread: Some(thread) })
    }

    /// Takes what is in the accept queues, then closes the sockets.
    pub(crate) fn close(&mut self) {
        self.drains.iter().for_each(|drain| drain.close_listener());
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.close();
    }
}

/// Starts listening.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(socket: &Socket) -> io::Result<()> {
    socket.listen(BACKLOG)
}

/// A socket that listens, registered with the accepting runtime.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    fn register(socket: Socket, scope: &ListenerScope) -> io::Result<Self> {
        match scope.address {
            Address::Ip(_) => TcpListener::from_std(socket.into()).map(Self::Tcp),
            Address::Pipe(_) => UnixListener::from_std(socket.into()).map(Self::Unix),
        }
    }

    /// The connection belongs to no runtime yet: a worker registers it.
    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => Ok(listener.accept().await?.0.into_std()?.into()),
            Self::Unix(listener) => Ok(listener.accept().await?.0.into_std()?.into()),
        }
    }

    /// A connection of the queue, asked from the system whatever the runtime knows of it.
    fn accept_queued(&self) -> Option<Socket> {
        let socket = match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        };
        let (connection, _) = socket.accept().ok()?;
        connection.set_nonblocking(true).ok()?;
        Some(connection)
    }
}

async fn accept(
    listening: Listening,
    scope: Arc<ListenerScope>,
    workers: Arc<Workers>,
    drain: Arc<Drain>,
) {
    let mut closed = std::pin::pin!(drain.listener_closed());
    loop {
        let accepted = tokio::select! {
            accepted = listening.accept() => accepted,
            () = closed.as_mut() => {
                // Those in the queue believe that they are connected.
                while let Some(connection) = listening.accept_queued() {
                    hand_over(connection, &scope, &workers, &drain);
                }
                return;
            }
        };
        match accepted {
            Ok(connection) => hand_over(connection, &scope, &workers, &drain),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: connections stay in the queue until there are some.
                tracing::warn!(listener = %scope.name, %error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn hand_over(socket: Socket, scope: &Arc<ListenerScope>, workers: &Workers, drain: &Arc<Drain>) {
    let end = |address: io::Result<SockAddr>| {
        let ip = address?.as_socket();
        Ok::<_, io::Error>(ip.map_or_else(|| scope.address.clone(), |ip| Address::Ip(plain(ip))))
    };
    let local = if is_wildcard(&scope.address) {
        end(socket.local_addr())
    } else {
        Ok(scope.address.clone())
    };
    let prepared = match scope.address {
        Address::Ip(_) => socket.set_tcp_nodelay(true),
        Address::Pipe(_) => Ok(()),
    };
    // A client that is gone already makes these fail.
    let (Ok(peer), Ok(local), Ok(())) = (end(socket.peer_addr()), local, prepared) else { return };
    let (scope, drain) = (Arc::clone(scope), Arc::clone(drain));
    workers.hand_over(Accepted { socket, peer, local, scope, permit: drain.enter(), drain });
}

fn is_wildcard(address: &Address) -> bool {
    address.ip().is_some_and(|address| address.ip().is_unspecified())
}

/// `::ffff:10.0.0.1` is `10.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
