//! Metadata of clusters and endpoints.

use std::collections::BTreeMap;

/// A `google.protobuf.Value`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null_value`, also a value without a kind.
    Null,
    /// `bool_value`.
    Bool(bool),
    /// `number_value`.
    Number(f64),
    /// `string_value`.
    String(String),
    /// `list_value`.
    List(Vec<Value>),
    /// `struct_value`.
    Struct(BTreeMap<String, Value>),
}

impl Value {
    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// `base.proto: Metadata.filter_metadata`: a struct per namespace (`envoy.lb`,
/// `envoy.transport_socket_match`, `istio`, ...).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(pub BTreeMap<String, BTreeMap<String, Value>>);

impl Metadata {
    /// The fields of one namespace.
    pub fn namespace(&self, name: &str) -> Option<&BTreeMap<String, Value>> {
        self.0.get(name)
    }

    /// One field of one namespace.
    pub fn get(&self, namespace: &str, key: &str) -> Option<&Value> {
        self.0.get(namespace)?.get(key)
    }
}
