//! A server that follows a script.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::RawConn;
use crate::{Counts, net};

/// A TCP server that runs a script on each connection. Ends when dropped.
#[derive(Debug)]
pub struct RawPeer {
    addr: SocketAddr,
    counts: Arc<Counts>,
    failures: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl RawPeer {
    /// Listens on `addr` on the current runtime and runs `script` on each connection. When the script
    /// is through, the connection is closed, unless the script did so in its own way.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start<S, F>(addr: SocketAddr, script: S) -> io::Result<Self>
    where
        S: Fn(RawConn) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::from_std(net::listen(addr)?)?;
        let addr = listener.local_addr()?;
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let failures = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(stop.clone().run_until_cancelled_owned({
            let (counts, failures, stop) =
                (Arc::clone(&counts), Arc::clone(&failures), stop.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let entered = counts.enter(|counts| &counts.connections);
                    let number = counts.connections.total();
                    let run = script(RawConn::new(stream, number, Some(entered)));
                    let failures = Arc::clone(&failures);
                    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                        if let Err(error) = run.await {
                            let failure = format!("connection {number}: {error}");
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                        }
                    }));
                }
            }
        }));
        Ok(Self { addr, counts, failures, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has seen; `requests` stays empty.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How scripts failed, such as what they expected and did not get.
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
