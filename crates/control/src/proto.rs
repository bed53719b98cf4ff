//! Small readers of protobuf values that many messages share. Each says in words what is wrong; the
//! caller knows the path.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use destrier_policy::{Address, Metadata, Percent, Value};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::r#type::v3::{self as percent_proto, fractional_percent};
use envoy_types::pb::google::protobuf::{self, Any, Struct, value::Kind};
use prost::{Message, Name};

/// What is wrong with a value.
pub(crate) type Fault = String;

/// A duration of at least nothing and at most what fits into nanoseconds of an `i64` (292 years), as in
/// Envoy.
pub(crate) fn duration(value: &protobuf::Duration) -> Result<Duration, Fault> {
    const MAX_SECONDS: u64 = i64::MAX as u64 / 1_000_000_000;
    let protobuf::Duration { seconds, nanos } = *value;
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return Err(format!("a negative duration ({seconds} s, {nanos} ns)"));
    };
    if seconds > MAX_SECONDS || nanos > 999_999_999 {
        return Err(format!("a duration out of range ({seconds} s, {nanos} ns)"));
    }
    Ok(Duration::new(seconds, nanos))
}

/// A duration above zero.
pub(crate) fn positive_duration(value: &protobuf::Duration) -> Result<Duration, Fault> {
    match duration(value)? {
        Duration::ZERO => Err("must be greater than zero".into()),
        positive => Ok(positive),
    }
}

/// `percent.proto: Percent`.
pub(crate) fn percent(value: &percent_proto::Percent) -> Result<Percent, Fault> {
    Percent::new(value.value).ok_or_else(|| not_a_percentage(value.value))
}

/// A percentage that a message keeps as an integer.
pub(crate) fn whole_percent(value: u32) -> Result<Percent, Fault> {
    Percent::new(value.into()).ok_or_else(|| not_a_percentage(value))
}

fn not_a_percentage(value: impl std::fmt::Display) -> Fault {
    format!("{value} is not a percentage from 0 to 100")
}

/// `percent.proto: FractionalPercent`; above one is refused.
pub(crate) fn fractional_percent(
    value: &percent_proto::FractionalPercent,
) -> Result<Percent, Fault> {
    use fractional_percent::DenominatorType;
    let whole: u32 = match enumeration::<DenominatorType>(value.denominator)? {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Percent::new(f64::from(value.numerator) * 100.0 / f64::from(whole))
        .ok_or_else(|| format!("{} of {whole} is more than the whole", value.numerator))
}

/// An enum value that this proto version knows.
pub(crate) fn enumeration<E: TryFrom<i32>>(value: i32) -> Result<E, Fault> {
    E::try_from(value).map_err(|_| format!("{value} is not a value of this enum"))
}

/// A finite number.
pub(crate) fn finite(value: f64) -> Result<f64, Fault> {
    if value.is_finite() { Ok(value) } else { Err(format!("{value} is not a finite number")) }
}

/// A TCP port, or 0.
pub(crate) fn port(value: u32) -> Result<u16, Fault> {
    u16::try_from(value).map_err(|_| format!("{value} is not a port (0 to 65535)"))
}

/// A host, which may be a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    /// An IP address or a name; not empty.
    pub(crate) host: &'a str,
    /// The port.
    pub(crate) port: u16,
}

/// `address.proto: SocketAddress`, TCP, the host not looked at.
pub(crate) fn host_port(value: &core::SocketAddress) -> Result<HostPort<'_>, Fault> {
    use core::socket_address::{PortSpecifier, Protocol};
    let core::SocketAddress {
        protocol,
        address,
        resolver_name,
        // Only widens what a listener on `::` accepts; nothing is bound to an IPv4-mapped address here.
        ipv4_compat: _,
        network_namespace_filepath,
        port_specifier,
    } = value;
    if enumeration::<Protocol>(*protocol)? != Protocol::Tcp {
        return Err("UDP is not supported".into());
    }
    if !resolver_name.is_empty() {
        return Err(format!("resolver_name: {resolver_name:?} is not supported"));
    }
    if !network_namespace_filepath.is_empty() {
        return Err("network_namespace_filepath: not supported".into());
    }
    if address.is_empty() {
        return Err("address: must not be empty".into());
    }
    match port_specifier {
        Some(PortSpecifier::PortValue(value)) => Ok(HostPort {
            host: address,
            port: port(*value).map_err(|why| format!("port_value: {why}"))?,
        }),
        Some(PortSpecifier::NamedPort(_)) => Err("named_port: not supported".into()),
        None => Err("port_value: must be set".into()),
    }
}

/// `address.proto: SocketAddress` with an IP address.
pub(crate) fn socket_addr(value: &core::SocketAddress) -> Result<SocketAddr, Fault> {
    let HostPort { host, port } = host_port(value)?;
    let ip: IpAddr = host.parse().map_err(|_| format!("malformed IP address: {host}"))?;
    Ok(SocketAddr::new(ip, port))
}

/// `address.proto: Address`: an IP address and port, or a Unix domain socket.
pub(crate) fn address(value: &core::Address) -> Result<Address, Fault> {
    match value.address.as_ref().ok_or("must be set")? {
        core::address::Address::SocketAddress(value) => {
            socket_addr(value).map(Address::Ip).map_err(|why| format!("socket_address: {why}"))
        }
        core::address::Address::Pipe(value) => pipe(value).map_err(|why| format!("pipe: {why}")),
        core::address::Address::EnvoyInternalAddress(_) => {
            Err("envoy_internal_address: not supported".into())
        }
    }
}

fn pipe(value: &core::Pipe) -> Result<Address, Fault> {
    // `mode` is that of a listening socket; a peer's socket has the mode its owner gave it.
    let core::Pipe { path, mode: _ } = value;
    if path.is_empty() {
        return Err("path: must not be empty".into());
    }
    if path.contains('\0') {
        return Err("path: contains a zero byte".into());
    }
    Ok(Address::Pipe(Path::new(path).into()))
}

/// `base.proto: Metadata`; typed metadata is not kept.
pub(crate) fn metadata(value: &core::Metadata) -> Result<Metadata, Fault> {
    let namespaces = value.filter_metadata.iter().map(|(name, fields)| {
        let fields = structure(fields).map_err(|why| format!("filter_metadata[{name}]: {why}"))?;
        Ok((name.clone(), fields))
    });
    namespaces.collect::<Result<_, Fault>>().map(Metadata)
}

/// The fields of a `google.protobuf.Struct`. A number that is none would make values unequal to
/// themselves and is refused; JSON cannot hold it either.
pub(crate) fn structure(value: &Struct) -> Result<BTreeMap<String, Value>, Fault> {
    fields(&value.fields)
}

fn fields(fields: &HashMap<String, protobuf::Value>) -> Result<BTreeMap<String, Value>, Fault> {
    fields.iter().map(|(key, field)| Ok((key.clone(), json_value(field)?))).collect()
}

fn json_value(value: &protobuf::Value) -> Result<Value, Fault> {
    Ok(match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(value)) => Value::Number(finite(*value)?),
        Some(Kind::StringValue(value)) => Value::String(value.clone()),
        Some(Kind::ListValue(list)) => {
            Value::List(list.values.iter().map(json_value).collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(inner)) => Value::Struct(structure(inner)?),
    })
}

/// The type of an extension's config: what a `typed_config` is, inside of a `TypedStruct` if it is one.
/// Extensions are known by this alone, never by their name.
pub(crate) fn type_url(config: &Any) -> Result<String, Fault> {
    if !matches!(
        type_name(&config.type_url),
        "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct"
    ) {
        return Ok(config.type_url.clone());
    }
    let inner = TypedStruct::decode(config.value.as_slice())
        .map_err(|why| format!("not a TypedStruct: {why}"))?;
    Ok(inner.type_url)
}

/// The message's full name in a type URL: what follows the last slash.
pub(crate) fn type_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}

/// The message within, which must be an `M`.
pub(crate) fn unpack<M: Message + Name + Default>(config: &Any) -> Result<M, Fault> {
    if type_name(&config.type_url) != M::full_name() {
        return Err(format!("expected a {}, not a {}", M::full_name(), config.type_url));
    }
    M::decode(config.value.as_slice()).map_err(|why| format!("not a {}: {why}", M::full_name()))
}

/// `udpa.type.v1.TypedStruct` and `xds.type.v3.TypedStruct`, which are alike: JSON in place of a message
/// whose definition the sender lacks. Its `value` is not read: no extension that may come so has options
/// of ours.
#[derive(Clone, PartialEq, Message)]
struct TypedStruct {
    #[prost(string, tag = "1")]
    type_url: String,
}
