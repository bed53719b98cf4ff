//! `TcpProxy`: a connection to a host of a cluster for each of a client's.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use destrier_policy::{AccessLogType, ClusterChoice};
use destrier_upstream::{Affinity, Forward, ForwardError, ResponseFlag, Stream, UpstreamInfo};
use tokio::time::Instant;

use super::tunnel::{Ended, Limits, Passed, Tunnel};
use crate::access_log::TcpLine;
use crate::alarm::Alarm;
use crate::connection::Ends;
use crate::scope::TcpScope;

/// Serves a connection to its end.
pub(crate) async fn serve(client: Arc<Stream>, ends: Ends, scope: Arc<TcpScope>, forward: Forward) {
    let started = Instant::now();
    scope.stats.downstream_cx_total.inc();
    let duration = scope.policy.max_downstream_connection_duration;
    let until = duration.map(|duration| started + duration);
    let mut upstream = UpstreamInfo::default();
    let outcome = pass(&client, &ends, &scope, &forward, &mut upstream, until).await;
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
    scope.logs.write(&TcpLine {
        ends: &ends,
        upstream: &upstream,
        listener: &scope.logs.listener,
        started,
        now: Instant::now(),
        received: passed.to_host,
        sent: passed.to_client,
        flag,
        details,
        kind: AccessLogType::TcpConnectionEnd,
    });
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
        Ended::Closed | Ended::ClientFailed | Ended::HostFailed => "",
    }
}

enum Failure {
    Forward(ForwardError),
    Expired,
}

async fn pass(
    client: &Stream,
    ends: &Ends,
    scope: &TcpScope,
    forward: &Forward,
    upstream: &mut UpstreamInfo,
    until: Option<Instant>,
) -> Result<Passed, Failure> {
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
    let leftover = lease.take_leftover();
    let limits = Limits { idle: policy.idle_timeout, until };
    let mut tunnel = Tunnel::new(client, lease.stream(), limits);
    tunnel.send_first(bytes::BytesMut::new(), leftover);
    let passed = tunnel.run(alarm).await;
    lease.count_bytes(passed.to_client, passed.to_host);
    Ok(passed)
}
