//! The messages of ADS, in the shape that this crate needs.
//!
//! They are wire-compatible with `envoy.service.discovery.v3` (a test compares them with
//! `envoy-types`), but everything inside of a resource is kept as bytes that share the memory of
//! the message. So nothing is copied, and a fault in one resource cannot spoil the others: the
//! generated types fail the whole message on the first truncated `Any` or invalid string.

use bytes::Bytes;
use prost::Message;

use crate::Variant;

/// `type_url` of the wrapper that carries a name and a time to live in state-of-the-world mode.
pub(crate) const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// `google.rpc.Code.INVALID_ARGUMENT`.
const INVALID_ARGUMENT: i32 = 3;

/// `DiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
struct SotwRequest {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    node: Option<Bytes>,
    #[prost(string, repeated, tag = "3")]
    resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    response_nonce: String,
    #[prost(message, optional, tag = "6")]
    error_detail: Option<RpcStatus>,
}

/// `DeltaDiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
struct DeltaRequest {
    #[prost(bytes = "bytes", optional, tag = "1")]
    node: Option<Bytes>,
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, repeated, tag = "3")]
    resource_names_subscribe: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    resource_names_unsubscribe: Vec<String>,
    #[prost(btree_map = "string, string", tag = "5")]
    initial_resource_versions: std::collections::BTreeMap<String, String>,
    #[prost(string, tag = "6")]
    response_nonce: String,
    #[prost(message, optional, tag = "7")]
    error_detail: Option<RpcStatus>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// `DiscoveryResponse`.
#[derive(Clone, PartialEq, Message)]
struct SotwResponse {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    resources: Vec<Bytes>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
    #[prost(bytes = "bytes", tag = "6")]
    control_plane: Bytes,
}

/// `DeltaDiscoveryResponse`.
#[derive(Clone, PartialEq, Message)]
struct DeltaResponse {
    #[prost(string, tag = "1")]
    system_version_info: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    resources: Vec<Bytes>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    removed_resources: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "7")]
    control_plane: Bytes,
}

/// `Resource`: a resource with its name, in delta mode always, otherwise if the server likes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WrappedResource {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) version: Bytes,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) resource: Option<Bytes>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) name: Bytes,
    #[prost(message, optional, tag = "6")]
    pub(crate) ttl: Option<Ttl>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ttl {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) type_url: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// A request of either variant; fields that the variant does not have are not sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) node: Option<Bytes>,
    pub(crate) type_url: String,
    /// State of the world: the last accepted version.
    pub(crate) version: String,
    /// State of the world: the full list. Delta: what is new.
    pub(crate) subscribe: Vec<String>,
    /// Delta only.
    pub(crate) unsubscribe: Vec<String>,
    /// Delta only: name and version of what is held.
    pub(crate) initial_versions: Vec<(String, String)>,
    pub(crate) nonce: String,
    /// Makes it a NACK.
    pub(crate) error: Option<String>,
}

impl Request {
    pub(crate) fn encode(self, variant: Variant) -> Bytes {
        let error_detail = self.error.map(|message| RpcStatus { code: INVALID_ARGUMENT, message });
        match variant {
            Variant::Sotw => SotwRequest {
                version_info: self.version,
                node: self.node,
                resource_names: self.subscribe,
                type_url: self.type_url,
                response_nonce: self.nonce,
                error_detail,
            }
            .encode_to_vec(),
            Variant::Delta => DeltaRequest {
                node: self.node,
                type_url: self.type_url,
                resource_names_subscribe: self.subscribe,
                resource_names_unsubscribe: self.unsubscribe,
                initial_resource_versions: self.initial_versions.into_iter().collect(),
                response_nonce: self.nonce,
                error_detail,
            }
            .encode_to_vec(),
        }
        .into()
    }
}

/// A response of either variant, its resources not yet looked into.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) type_url: String,
    pub(crate) version: String,
    pub(crate) nonce: String,
    /// State of the world: `Any`. Delta: [`WrappedResource`].
    pub(crate) resources: Vec<Bytes>,
    /// Delta only.
    pub(crate) removed: Vec<Bytes>,
    /// `ControlPlane.identifier`; often empty.
    pub(crate) control_plane: String,
}

impl Response {
    pub(crate) fn decode(message: Bytes, variant: Variant) -> Result<Self, prost::DecodeError> {
        Ok(match variant {
            Variant::Sotw => {
                let it = SotwResponse::decode(message)?;
                Self {
                    type_url: it.type_url,
                    version: it.version_info,
                    nonce: it.nonce,
                    resources: it.resources,
                    removed: Vec::new(),
                    control_plane: string_field(&it.control_plane, 1).value.unwrap_or_default(),
                }
            }
            Variant::Delta => {
                let it = DeltaResponse::decode(message)?;
                Self {
                    type_url: it.type_url,
                    version: it.system_version_info,
                    nonce: it.nonce,
                    resources: it.resources,
                    removed: it.removed_resources,
                    control_plane: string_field(&it.control_plane, 1).value.unwrap_or_default(),
                }
            }
        })
    }
}

/// What [`string_field`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StringField {
    /// The last value of the field before the first fault, empty if it is absent; `None` if it is not
    /// UTF-8.
    pub(crate) value: Option<String>,
    /// The fields of the message follow each other without a fault.
    pub(crate) intact: bool,
}

/// Reads one string field of a message without decoding the rest.
pub(crate) fn string_field(message: &[u8], number: u32) -> StringField {
    use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

    let mut rest = message;
    let mut value = Some(String::new());
    let intact = loop {
        if rest.is_empty() {
            break true;
        }
        let Ok((tag, wire_type)) = decode_key(&mut rest) else { break false };
        if tag != number || wire_type != WireType::LengthDelimited {
            if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
                break false;
            }
            continue;
        }
        let length = decode_varint(&mut rest).ok().and_then(|length| length.try_into().ok());
        let Some((text, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
            break false;
        };
        value = std::str::from_utf8(text).ok().map(str::to_owned);
        rest = after;
    };
    StringField { value, intact }
}
