//! A file's bytes to resources: a `DiscoveryResponse` as JSON, YAML or protobuf.

use std::path::Path;

use bytes::Bytes;
use destrier_envoy_json::{JsonError, Pool, UnknownFields, parse_yaml};
use destrier_xds::TypeUrl;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryResponse, Resource};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use serde_json::{Map, Value};

const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// Why nothing of a file can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is no `DiscoveryResponse`. By field or line, and cause.
    #[error("{0}")]
    Malformed(String),
}

/// What a file says, resource by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// `version_info`.
    pub version: String,
    /// Those that could be read, in the order of the file.
    pub resources: Vec<NamedResource>,
    /// Those that could not.
    pub faults: Vec<UnnamedFault>,
}

/// A resource with its envelope off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedResource {
    /// Its name, or that of its wrapper.
    pub name: String,
    /// That of its wrapper; empty when it has none.
    pub version: String,
    /// The encoded message.
    pub body: Bytes,
}

/// A resource that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnnamedFault {
    /// Its name, as far as it can be told.
    pub name: Option<String>,
    /// Its place in `resources`.
    pub index: usize,
    /// The field and the cause.
    pub reason: String,
}

impl Content {
    /// Reads the bytes of a file whose name ends in `.pb` as a message, any other as YAML or JSON.
    ///
    /// # Errors
    /// When the whole cannot be read: syntax, an unknown field around the resources, another type than
    /// the expected one.
    pub fn read(path: &Path, bytes: &[u8], expected: &TypeUrl) -> Result<Self, FileFault> {
        match path.extension().and_then(|it| it.to_str()) {
            Some("pb_text") => Err(malformed("the text format of protobuf is not read")),
            Some("pb") => Self::read_binary(bytes, expected),
            _ => Self::read_text(bytes, expected),
        }
    }

    fn read_binary(bytes: &[u8], expected: &TypeUrl) -> Result<Self, FileFault> {
        let response = DiscoveryResponse::decode(bytes)
            .map_err(|error| malformed(format!("is no DiscoveryResponse: {error}")))?;
        check_type(&response.type_url, expected)?;
        let mut content = Self { version: response.version_info, ..Self::default() };
        for (index, any) in response.resources.into_iter().enumerate() {
            content.take(index, None, open(any, expected));
        }
        Ok(content)
    }

    fn read_text(bytes: &[u8], expected: &TypeUrl) -> Result<Self, FileFault> {
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let value = parse_yaml(text).map_err(|error| malformed(error.to_string()))?;
        let Value::Object(mut fields) = value else {
            return Err(malformed("expected an object with the field resources"));
        };
        let resources = match fields.shift_remove("resources") {
            Some(Value::Array(resources)) => resources,
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(malformed("resources: expected a list")),
        };
        // One at a time, so that a fault of one is not a fault of all.
        let pool = Pool::new();
        let envelope: DiscoveryResponse = pool
            .from_value(Value::Object(fields), UnknownFields::Reject)
            .map_err(|error| malformed(error.to_string()))?;
        check_type(&envelope.type_url, expected)?;
        let mut content = Self { version: envelope.version_info, ..Self::default() };
        for (index, value) in resources.iter().enumerate() {
            let read = read_resource(&pool, value).map_err(|error| error.to_string());
            content.take(index, name_in(value), read.and_then(|any| open(any, expected)));
        }
        Ok(content)
    }

    fn take(&mut self, index: usize, name: Option<String>, read: Result<NamedResource, String>) {
        match read {
            Ok(resource) if resource.name.is_empty() => {
                let reason = "it has no name".to_owned();
                self.faults.push(UnnamedFault { name: None, index, reason });
            }
            Ok(resource) => self.resources.push(resource),
            Err(reason) => self.faults.push(UnnamedFault { name, index, reason }),
        }
    }
}

fn malformed(reason: impl Into<String>) -> FileFault {
    FileFault::Malformed(reason.into())
}

fn check_type(is: &str, expected: &TypeUrl) -> Result<(), FileFault> {
    if is.is_empty() || is == expected.as_str() {
        return Ok(());
    }
    Err(malformed(format!("type_url: is {is:?}, expected {:?}", expected.as_str())))
}

/// Fields that nobody knows are a fault in a file, which a person wrote.
fn read_resource(pool: &Pool, value: &Value) -> Result<Any, JsonError> {
    pool.resource(value, UnknownFields::Reject)
}

/// The name that a resource, perhaps a faulty one, gives itself.
fn name_in(value: &Value) -> Option<String> {
    let named = |fields: &Map<String, Value>| {
        let mut keys = ["name", "cluster_name", "clusterName"].iter();
        let name = keys.find_map(|key| fields.get(*key)).and_then(Value::as_str);
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let fields = value.as_object()?;
    named(fields).or_else(|| fields.get("resource").and_then(Value::as_object).and_then(named))
}

/// Takes the envelope off.
fn open(any: Any, expected: &TypeUrl) -> Result<NamedResource, String> {
    if any.type_url != WRAPPER {
        let body = typed(any, expected, "@type")?;
        return Ok(NamedResource { name: first_string(&body)?, version: String::new(), body });
    }
    let Resource { name, version, resource, .. } =
        Resource::decode(&*any.value).map_err(|error| format!("malformed Resource: {error}"))?;
    let inner = resource.ok_or("resource: must be set")?;
    let body = typed(inner, expected, "resource.@type")?;
    let own = first_string(&body)?;
    let name = if name.is_empty() { own.clone() } else { name };
    if own != name && !name.starts_with("xdstp:") {
        return Err(format!("name: is {name:?}, but the resource calls itself {own:?}"));
    }
    Ok(NamedResource { name, version, body })
}

fn typed(any: Any, expected: &TypeUrl, field: &str) -> Result<Bytes, String> {
    if any.type_url == expected.as_str() {
        return Ok(any.value.into());
    }
    Err(format!("{field}: is {:?}, expected {:?}", any.type_url, expected.as_str()))
}

/// Of every type that is served the first field is the name.
fn first_string(body: &Bytes) -> Result<String, String> {
    /// A message of which only that field is of interest.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    let named = Named::decode(body.clone());
    named.map(|named| named.name).map_err(|error| format!("malformed message: {error}"))
}
