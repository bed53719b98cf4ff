//! A TCP server that sends back what it gets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Counts, net};

/// Echoes bytes, and the end of them: when the client closes its sending side, the rest is sent back
/// and then this side is closed too. Ends when dropped.
#[derive(Debug)]
pub struct EchoTcp {
    addr: SocketAddr,
    counts: Arc<Counts>,
    _stop: DropGuard,
}

impl EchoTcp {
    /// Listens on `addr`, on the current runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::from_std(net::listen(addr)?)?;
        let addr = listener.local_addr()?;
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            Arc::clone(&counts),
            stop.clone(),
        )));
        Ok(Self { addr, counts, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has seen; `requests` stays empty.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let entered = counts.enter(|counts| &counts.connections);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let _entered = entered;
            // A client that goes away ends its echo; there is nobody to tell.
            let _ = echo(stream).await;
        }));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}
