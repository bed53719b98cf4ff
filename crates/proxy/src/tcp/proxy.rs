//! `TcpProxy`: a connection to a host of a cluster for each of a client's.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use destrier_policy::{AccessLogType, ClusterChoice};
use destrier_upstream::{Affinity, Forward, ForwardError, ResponseFlag, Stream, UpstreamInfo};
use tokio::time::Instant;

use super::tunnel::{Ended, Limits, Passed, Tunnel};
use crate::access_log::{AccessLogs, TcpLine};
use crate::alarm::Alarm;
use crate::connection::Ends;
use crate::scope::TcpScope;

/// Serves a connection to its end.
pub(crate) async fn serve(
    client: Arc<Stream>,
    ends: Ends,
    scope: Arc<TcpScope>,
    listener_logs: &AccessLogs,
    forward: Forward,
) {
    let started = Instant::now();
    scope.stats.downstream_cx_total.inc();
    let duration = scope.policy.max_downstream_connection_duration;
    let until = duration.map(|duration| started + duration);
    let mut upstream = UpstreamInfo::default();
    let journal = Journal { ends: &ends, scope: &scope, stream: rand::random(), started };
    journal.write_at_start();
    let outcome = pass(&client, &journal, &forward, &mut upstream, until).await;
    let (passed, flag, details) = match outcome {
        Ok(passed) => (passed, None, details(&scope, passed.why)),
        Err(failure) => {
            let none = Passed { to_host: 0, to_client: 0, why: Ended::HostFailed };
            (none, flag(&failure), "")
        }
    };
    if matches!(flag, Some(ResponseFlag::NC)) {
        scope.stats.downstream_cx_no_route.inc();
    }
    scope.stats.downstream_cx_rx_bytes_total.add(passed.to_host);
    scope.stats.downstream_cx_tx_bytes_total.add(passed.to_client);
    let mut line = journal.line(&upstream, Instant::now(), AccessLogType::TcpConnectionEnd);
    line.bytes = Some((passed.to_host, passed.to_client));
    (line.flag, line.details) = (flag, details);
    scope.logs.write(&line);
    line.kind = AccessLogType::NotSet;
    listener_logs.write(&line);
}

/// What all lines of a connection have in common.
struct Journal<'a> {
    ends: &'a Ends,
    scope: &'a TcpScope,
    /// `%STREAM_ID%`.
    stream: u128,
    started: Instant,
}

impl Journal<'_> {
    fn line<'l>(
        &'l self,
        upstream: &'l UpstreamInfo,
        now: Instant,
        kind: AccessLogType,
    ) -> TcpLine<'l> {
        TcpLine {
            ends: self.ends,
            upstream,
            listener: &self.scope.logs.listener,
            stream: self.stream,
            started: self.started,
            now,
            bytes: Some((0, 0)),
            flag: None,
            details: "",
            kind,
        }
    }

    fn write_at_start(&self) {
        if self.scope.policy.access_log_options.at_start {
            let none = UpstreamInfo::default();
            let line = self.line(&none, self.started, AccessLogType::TcpConnectionStart);
            self.scope.logs.write(&line);
        }
    }

    fn write_at_connected(&self, upstream: &UpstreamInfo) {
        if self.scope.policy.access_log_options.at_connected {
            let kind = AccessLogType::TcpUpstreamConnected;
            self.scope.logs.write(&self.line(upstream, Instant::now(), kind));
        }
    }
}

/// The flags are those of HTTP requests that fail the same way.
fn flag(failure: &Failure) -> Option<ResponseFlag> {
    match failure {
        Failure::Forward(error) => error.flag(),
        Failure::Expired => None,
    }
}

fn details(scope: &TcpScope, why: Ended) -> &'static str {
    match why {
        Ended::Idle => {
            scope.stats.idle_timeout.inc();
            "tcp_session_idle_timeout"
        }
        Ended::Duration => {
            scope.stats.max_downstream_connection_duration.inc();
            "max_connection_duration_reached"
        }
        Ended::ClosedByClient | Ended::ClosedByHost | Ended::ClientFailed | Ended::HostFailed => "",
    }
}

enum Failure {
    Forward(ForwardError),
    Expired,
}

async fn pass(
    client: &Stream,
    journal: &Journal<'_>,
    forward: &Forward,
    upstream: &mut UpstreamInfo,
    until: Option<Instant>,
) -> Result<Passed, Failure> {
    let Journal { ends, scope, .. } = journal;
    let policy = &scope.policy;
    let mut alarm = Alarm::default();
    alarm.set(until);
    let mut attempts = policy.max_connect_attempts.max(1);
    let mut lease = loop {
        let (cluster, metadata) = match &policy.cluster {
            ClusterChoice::One(cluster) => (cluster, &policy.metadata_match),
            ClusterChoice::Weighted { .. } => match policy.cluster.weighted(rand::random()) {
                Some(choice) => (&choice.name, &choice.metadata_match),
                None => return Err(Failure::Forward(ForwardError::NoCluster)),
            },
        };
        let affinity = Affinity {
            metadata: metadata.as_deref(),
            hash_policies: &policy.hash,
            client: ends.peer.ip().map(|peer| peer.ip()),
            original_destination: ends.original,
        };
        let connected = {
            let mut connecting = pin!(forward.connect(cluster, affinity, upstream));
            poll_fn(|cx| match connecting.as_mut().poll(cx) {
                Poll::Ready(connected) => Poll::Ready(Some(connected)),
                Poll::Pending => alarm.poll(cx).map(|()| None),
            })
            .await
        };
        attempts -= 1;
        match connected {
            None => {
                scope.stats.max_downstream_connection_duration.inc();
                return Err(Failure::Expired);
            }
            Some(Ok(lease)) => break lease,
            Some(Err(ForwardError::ConnectFailed(_) | ForwardError::ConnectTimeout))
                if attempts > 0 => {}
            Some(Err(error)) => return Err(Failure::Forward(error)),
        }
    };
    journal.write_at_connected(upstream);
    let leftover = lease.take_leftover();
    let limits = Limits { idle: policy.idle_timeout, until };
    let mut tunnel = Tunnel::new(client, lease.stream(), limits);
    tunnel.send_first(bytes::BytesMut::new(), leftover);
    let passed = tunnel.run(alarm).await;
    lease.count_bytes(passed.to_client, passed.to_host);
    Ok(passed)
}
