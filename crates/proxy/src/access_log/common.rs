//! Operators that mean the same for requests and TCP connections.

use std::net::{IpAddr, SocketAddr};

use destrier_policy::{
    AccessLogType, Address, AddressForm, Constant, Endpoint, FormatOperator, MetadataOf, Peer,
    TimeUnit,
};
use destrier_upstream::UpstreamInfo;
use tokio::time::Instant;

use super::line::{
    Value, address, maybe, maybe_number, number, socket_address, text, unless_empty,
};
use super::{metadata, time, uuid};
use crate::connection::Ends;

/// What both kinds of lines are made from.
pub(super) struct Common<'a> {
    pub(super) ends: &'a Ends,
    /// Whom `x-forwarded-for` names where that is believed; `None` is the peer.
    pub(super) client: Option<IpAddr>,
    pub(super) upstream: &'a UpstreamInfo,
    pub(super) listener: &'a str,
    pub(super) started: Instant,
    pub(super) now: Instant,
    pub(super) kind: AccessLogType,
}

impl Common<'_> {
    pub(super) fn write(&self, operator: &FormatOperator, out: &mut Vec<u8>) -> Value {
        use FormatOperator as Op;
        let upstream = self.upstream;
        match operator {
            Op::StartTime(format) => {
                let age = self.now.saturating_duration_since(self.started);
                time::write(out, time::wall_clock() - age, format)
            }
            Op::EmitTime(format) => time::write(out, time::wall_clock(), format),
            Op::UpstreamTransportFailureReason => {
                maybe(out, upstream.transport_failure.as_deref().map(str::as_bytes))
            }
            Op::UpstreamHost => match &upstream.host {
                Some(host) => address(out, host, AddressForm::Whole),
                None => Value::Absent,
            },
            Op::UpstreamHostName(form) => self.host_name(upstream.host.as_ref(), *form, out),
            Op::UpstreamHostsAttempted(form) => match self.connected_host() {
                Some(host) => address(out, host, *form),
                None => Value::Absent,
            },
            Op::UpstreamHostNamesAttempted(form) => {
                self.host_name(self.connected_host(), *form, out)
            }
            Op::UpstreamCluster => {
                let cluster = upstream.cluster.as_ref();
                let name = cluster.map(|cluster| cluster.policy().observability_name.as_bytes());
                maybe(out, name)
            }
            Op::UpstreamClusterRaw => {
                let cluster = upstream.cluster.as_ref();
                maybe(out, cluster.map(|cluster| cluster.name().as_str().as_bytes()))
            }
            Op::UpstreamRequestAttemptCount => number(out, upstream.attempts.into()),
            Op::UpstreamProtocol => match upstream.version {
                Some(http::Version::HTTP_2) => text(out, b"HTTP/2"),
                Some(_) => text(out, b"HTTP/1.1"),
                None => Value::Absent,
            },
            Op::Address(peer, form) => self.address(*peer, *form, out),
            Op::ListenerName => unless_empty(out, self.listener),
            Op::ConnectionId => number(out, self.ends.id),
            Op::UniqueId => uuid::write(out, rand::random()),
            Op::Hostname => maybe(out, time::hostname()),
            Op::Environment(value) => text(out, value.as_deref().unwrap_or("-").as_bytes()),
            Op::AccessLogType => text(out, self.kind.name().as_bytes()),
            Op::Metadata { of, namespace, path } => self.metadata(*of, namespace, path, out),
            Op::Constant(Constant::Empty) => text(out, b""),
            Op::Constant(Constant::Zero) => number(out, 0),
            _ => Value::Absent,
        }
    }

    /// The host, if there was a connection to it.
    fn connected_host(&self) -> Option<&Address> {
        self.upstream.host.as_ref().filter(|_| self.upstream.local_address.is_some())
    }

    /// What the control plane says of a host.
    fn endpoint(&self, host: &Address) -> Option<&Endpoint> {
        let endpoints = self.upstream.cluster.as_ref()?.endpoints();
        let mut all = endpoints.localities.iter().flat_map(|locality| &locality.endpoints);
        all.find(|known| known.address == *host)
    }

    /// The name of a host; its address where it has none.
    fn host_name(&self, host: Option<&Address>, form: AddressForm, out: &mut Vec<u8>) -> Value {
        let Some(host) = host else { return Value::Absent };
        let found = self.endpoint(host);
        match found.map(|found| &*found.hostname).filter(|name| !name.is_empty()) {
            Some(name) => text(out, name.as_bytes()),
            None => address(out, host, form),
        }
    }

    fn address(&self, peer: Peer, form: AddressForm, out: &mut Vec<u8>) -> Value {
        match peer {
            Peer::UpstreamLocal => match self.upstream.local_address {
                Some(address) => socket_address(out, address, form),
                None => Value::Absent,
            },
            Peer::UpstreamRemote => match self.connected_host() {
                Some(host) => address(out, host, form),
                None => Value::Absent,
            },
            Peer::DownstreamLocal | Peer::DownstreamDirectLocal => {
                address(out, &self.ends.local, form)
            }
            Peer::DownstreamRemote => match self.client {
                // No header says the port.
                Some(client) => socket_address(out, SocketAddr::new(client, 0), form),
                None => address(out, &self.ends.peer, form),
            },
            Peer::DownstreamDirectRemote => address(out, &self.ends.peer, form),
        }
    }

    fn metadata(
        &self,
        of: MetadataOf,
        namespace: &str,
        path: &[Box<str>],
        out: &mut Vec<u8>,
    ) -> Value {
        let Some(cluster) = &self.upstream.cluster else { return Value::Absent };
        match of {
            MetadataOf::Cluster => {
                metadata::write(out, &cluster.policy().metadata, namespace, path)
            }
            MetadataOf::UpstreamHost => {
                let host = self.upstream.host.as_ref().and_then(|host| self.endpoint(host));
                host.map_or(Value::Absent, |host| {
                    metadata::write(out, &host.metadata, namespace, path)
                })
            }
            _ => Value::Absent,
        }
    }

    /// Appends a time between two points, of which neither may be missing.
    pub(super) fn span(
        out: &mut Vec<u8>,
        from: Option<Instant>,
        to: Option<Instant>,
        unit: TimeUnit,
    ) -> Value {
        let span = from.zip(to).and_then(|(from, to)| to.checked_duration_since(from));
        let span = span.map(|span| match unit {
            TimeUnit::Milliseconds => span.as_millis(),
            TimeUnit::Microseconds => span.as_micros(),
            TimeUnit::Nanoseconds => span.as_nanos(),
        });
        maybe_number(out, span.map(|span| span as u64))
    }
}
