//! Load: many requests over a few connections, counted and timed.

mod http1;
mod http2;
mod pace;
mod report;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use report::{Failure, Report};

use pace::Pacer;

/// Which protocol the load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// This many HTTP/1.1 connections, one request at a time on each, kept alive.
    Http1 {
        /// How many connections.
        connections: usize,
    },
    /// One HTTP/2 connection (prior knowledge) with this many requests at a time.
    Http2 {
        /// How many streams.
        streams: usize,
    },
}

/// When the next request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: as soon as the one before is answered.
    Flat,
    /// Open loop: at fixed times, whatever the answers do. A request that is late because all
    /// connections are busy is timed from when it should have gone out.
    PerSecond(NonZeroU32),
}

/// What ends the load besides [`RunningLoad::stop`]; the first that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After this many requests.
    After(u64),
    /// After this time.
    In(Duration),
    /// Only when told.
    WhenTold,
}

/// A load that can be run.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the requests go.
    pub target: SocketAddr,
    /// The `host` header or `:authority`; the target's address by default.
    pub host: HeaderValue,
    /// GET by default.
    pub method: Method,
    /// `/` by default.
    pub path: PathAndQuery,
    /// Sent besides. With `connection: close` each HTTP/1.1 request has a connection of its own.
    pub headers: HeaderMap,
    /// Sent with `content-length` when it is not empty.
    pub body: Bytes,
    /// One HTTP/1.1 connection by default.
    pub protocol: Protocol,
    /// Closed loop by default.
    pub pace: Pace,
    /// 1,000 requests by default.
    pub stop: Stop,
    /// When an answer counts as [`Failure::Timeout`]. Default ten seconds.
    pub timeout: Duration,
    /// Counts the answers by the value of this header, for example `x-backend`; off by default.
    pub count_by: Option<HeaderName>,
}

impl Load {
    /// 1,000 times `GET /` over one HTTP/1.1 connection.
    pub fn to(target: SocketAddr) -> Self {
        let host = HeaderValue::try_from(target.to_string())
            .expect("an address is digits, dots, colons and brackets");
        Self {
            target,
            host,
            method: Method::GET,
            path: PathAndQuery::from_static("/"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            protocol: Protocol::Http1 { connections: 1 },
            pace: Pace::Flat,
            stop: Stop::After(1000),
            timeout: Duration::from_secs(10),
            count_by: None,
        }
    }

    /// Runs to its end.
    ///
    /// # Errors
    /// A panic inside the load.
    pub async fn run(self) -> Result<Report, JoinError> {
        self.start().finished().await
    }

    /// Starts it on the current runtime.
    pub fn start(self) -> RunningLoad {
        let stop = CancellationToken::new();
        let pacer = Arc::new(Pacer::new(self.pace, self.stop, stop.clone()));
        let mut workers = JoinSet::new();
        match self.protocol {
            Protocol::Http1 { connections } => {
                let request = http1::request_bytes(&self);
                for _ in 0..connections {
                    let (pacer, load) = (Arc::clone(&pacer), self.clone());
                    workers.spawn(http1::run(load, request.clone(), pacer));
                }
            }
            Protocol::Http2 { streams } => {
                let client = Arc::new(http2::Client::new(&self));
                for _ in 0..streams {
                    let (pacer, load) = (Arc::clone(&pacer), self.clone());
                    workers.spawn(http2::run(load, Arc::clone(&client), pacer));
                }
            }
        }
        RunningLoad { stop, pacer, workers }
    }
}

/// A load that runs; dropping it breaks off the requests in flight.
#[derive(Debug)]
pub struct RunningLoad {
    stop: CancellationToken,
    pacer: Arc<Pacer>,
    workers: JoinSet<Report>,
}

impl RunningLoad {
    /// How many requests have begun.
    pub fn begun(&self) -> u64 {
        self.pacer.begun()
    }

    /// Lets the requests in flight end and reports.
    ///
    /// # Errors
    /// A panic inside the load.
    pub async fn stop(self) -> Result<Report, JoinError> {
        self.stop.cancel();
        self.finished().await
    }

    /// Waits until the load ends by itself and reports.
    ///
    /// # Errors
    /// A panic inside the load.
    pub async fn finished(mut self) -> Result<Report, JoinError> {
        let mut report = Report::default();
        while let Some(worker) = self.workers.join_next().await {
            report.merge(worker?);
        }
        report.elapsed = self.pacer.elapsed();
        Ok(report)
    }
}
