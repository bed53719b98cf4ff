//! What the client sends, as a server reads it in the generated types.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use destrier_xds::{TypeUrl, Variant};
use envoy_types::pb::envoy::{config::core::v3::Node, service::discovery::v3 as ads};
use prost::Message;

/// A request of either variant, as the server reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Request {
    pub(crate) at: Option<Duration>,
    pub(crate) node: Option<String>,
    pub(crate) type_url: String,
    pub(crate) version: String,
    /// State of the world: the full list. Delta: what is subscribed to.
    pub(crate) names: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) initial: BTreeMap<String, String>,
    pub(crate) nonce: String,
    pub(crate) error: Option<(i32, String)>,
}

impl Request {
    pub(crate) fn is_cds(&self) -> bool {
        self.type_url == TypeUrl::CLUSTER.as_str()
    }

    pub(crate) fn is_eds(&self) -> bool {
        self.type_url == TypeUrl::ENDPOINTS.as_str()
    }

    /// An ACK of this nonce that asks for nothing and changes nothing.
    pub(crate) fn is_ack(&self, nonce: &str) -> bool {
        self.nonce == nonce && self.error.is_none()
    }

    pub(crate) fn error_text(&self) -> &str {
        self.error.as_ref().map_or("", |(_, text)| text)
    }

    pub(crate) fn decode(message: Bytes, variant: Variant) -> Self {
        let id = |node: Option<Node>| node.map(|node| node.id);
        match variant {
            Variant::Delta => {
                let it = ads::DeltaDiscoveryRequest::decode(message).expect("a delta request");
                Self {
                    node: id(it.node),
                    type_url: it.type_url,
                    names: it.resource_names_subscribe,
                    unsubscribe: it.resource_names_unsubscribe,
                    initial: it.initial_resource_versions.into_iter().collect(),
                    nonce: it.response_nonce,
                    error: it.error_detail.map(|it| (it.code, it.message)),
                    ..Self::default()
                }
            }
            Variant::Sotw => {
                let it = ads::DiscoveryRequest::decode(message).expect("a request");
                Self {
                    node: id(it.node),
                    type_url: it.type_url,
                    version: it.version_info,
                    names: it.resource_names,
                    nonce: it.response_nonce,
                    error: it.error_detail.map(|it| (it.code, it.message)),
                    ..Self::default()
                }
            }
        }
    }
}
