//! `transport_socket`, `transport_socket_matches` and upstream network filters.
//!
//! A socket is in force (raw), or known and refused requests (`NotInForce`), or unknown and refused as a
//! whole: plain text in place of what was asked for is never an answer.

use destrier_policy::{FieldStanding, TransportMatch, TransportSocket};
use envoy_types::pb::envoy::config::cluster::v3::{Filter, cluster::TransportSocketMatch};
use envoy_types::pb::envoy::config::core::v3::{
    TransportSocket as Socket, transport_socket::ConfigType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::{
    internal_upstream::v3::InternalUpstreamTransport,
    proxy_protocol::v3::ProxyProtocolUpstreamTransport, quic::v3::QuicUpstreamTransport,
    raw_buffer::v3::RawBuffer, tls::v3::UpstreamTlsContext,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Name;

use crate::proto::{self, Fault};
use crate::report::Reader;

/// The filter by which Istio's proxies tell each other who they are; it changes no byte unless the peer
/// agreed to it by ALPN.
const METADATA_EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";

/// `transport_socket` of what is read; raw when there is none.
pub(super) fn socket(socket: Option<&Socket>, reader: &mut Reader<'_, '_>) -> TransportSocket {
    let Some(socket) = socket else { return TransportSocket::Raw };
    let mut reader = reader.field("transport_socket");
    let translated = match &socket.config_type {
        Some(ConfigType::TypedConfig(config)) => {
            reader.read("typed_config", Some(config), typed_socket)
        }
        None => {
            reader.field("typed_config").refuse("must be set");
            None
        }
    };
    let translated = translated.unwrap_or(TransportSocket::Raw);
    if !translated.is_in_force() {
        reader.note(FieldStanding::Later);
    }
    translated
}

fn typed_socket(config: &Any) -> Result<TransportSocket, Fault> {
    let name = proto::type_name(&config.type_url);
    if name == RawBuffer::full_name() {
        return proto::unpack::<RawBuffer>(config).map(|_| TransportSocket::Raw);
    }
    let socket = if name == UpstreamTlsContext::full_name() {
        proto::unpack::<UpstreamTlsContext>(config).map(drop)
    } else if name == ProxyProtocolUpstreamTransport::full_name() {
        let wrapper = proto::unpack::<ProxyProtocolUpstreamTransport>(config)?;
        let inner = wrapper.transport_socket.map(drop);
        inner.ok_or_else(|| "transport_socket: must be set".into())
    } else if name == InternalUpstreamTransport::full_name() {
        proto::unpack::<InternalUpstreamTransport>(config).map(drop)
    } else if name == QuicUpstreamTransport::full_name() {
        proto::unpack::<QuicUpstreamTransport>(config).map(drop)
    } else {
        Err(format!("unknown transport socket of type {:?}", config.type_url))
    };
    socket.map(|()| TransportSocket::NotInForce { type_url: config.type_url.as_str().into() })
}

/// `transport_socket_matches`.
pub(super) fn matches(
    matches: &[TransportSocketMatch],
    reader: &mut Reader<'_, '_>,
) -> Box<[TransportMatch]> {
    let mut reader = reader.field("transport_socket_matches");
    let translated = matches.iter().enumerate().map(|(index, candidate)| {
        let mut reader = reader.index(index);
        if candidate.name.is_empty() {
            reader.field("name").refuse("must not be empty");
        }
        if candidate.transport_socket.is_none() {
            reader.field("transport_socket").refuse("must be set");
        }
        let criteria = reader.read("match", candidate.r#match.as_ref(), proto::structure);
        TransportMatch {
            name: candidate.name.as_str().into(),
            criteria: criteria.unwrap_or_default(),
            socket: socket(candidate.transport_socket.as_ref(), &mut reader),
        }
    });
    translated.collect()
}

/// Refuses every upstream filter but the one that may be left out.
pub(super) fn check_filters(filters: &[Filter], reader: &mut Reader<'_, '_>) {
    let mut reader = reader.field("filters");
    for (index, filter) in filters.iter().enumerate() {
        let mut reader = reader.index(index);
        if let Some(config) = &filter.typed_config {
            reader.read("typed_config", Some(config), known_filter);
        } else if filter.config_discovery.is_none() {
            reader.field("typed_config").refuse("must be set");
        }
    }
}

fn known_filter(config: &Any) -> Result<(), Fault> {
    let type_url = proto::type_url(config)?;
    if proto::type_name(&type_url) == METADATA_EXCHANGE {
        Ok(())
    } else {
        Err(format!("upstream filters of type {type_url:?} are not supported"))
    }
}
