//! Messages from YAML, as a person would write them.

use std::sync::LazyLock;

use destrier_control::{Rejection, TranslatedCluster, translate_cluster, translate_endpoints};
use destrier_envoy_json::{Pool, UnknownFields, parse_yaml};
use destrier_policy::{EndpointSet, Origin};
use prost::{Message, Name};
use serde_json::Value;

static POOL: LazyLock<Pool> = LazyLock::new(Pool::new);

pub(crate) fn message<M: Message + Name + Default>(value: Value) -> M {
    let text = value.to_string();
    POOL.from_value(value, UnknownFields::Reject).unwrap_or_else(|err| panic!("{err}: {text}"))
}

pub(crate) fn yaml(text: &str) -> Value {
    parse_yaml(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// The fields of a mapping, with those of `base` that it does not have itself.
fn with_base(base: &str, text: &str) -> Value {
    let mut value = yaml(&format!("{{{base}}}"));
    let own = yaml(&format!("{{{text}}}"));
    let (Some(fields), Value::Object(own)) = (value.as_object_mut(), own) else {
        panic!("not a mapping: {text}")
    };
    fields.extend(own);
    value
}

/// A STATIC cluster `c` with the given fields, in YAML's flow style.
pub(crate) fn cluster(fields: &str) -> Result<TranslatedCluster, Vec<Rejection>> {
    translate_cluster(&message(with_base("name: c", fields)), Origin::Dynamic)
}

/// An assignment for `c` with the given fields.
pub(crate) fn endpoints(fields: &str) -> Result<EndpointSet, Vec<Rejection>> {
    translate_endpoints(&message(with_base("cluster_name: c", fields)))
}

/// Checks that there is exactly this fault.
pub(crate) fn assert_refused<T>(
    result: Result<T, Vec<Rejection>>,
    case: &str,
    field: &str,
    reason: &str,
) {
    let Err(faults) = result else { panic!("accepted: {case}") };
    let [fault] = faults.as_slice() else { panic!("not one fault of {case}: {faults:#?}") };
    assert_eq!(fault.field_path, field, "{case}: {fault}");
    assert!(fault.reason.contains(reason), "{case}: {fault} does not say {reason:?}");
    assert!(fault.to_string().starts_with(field), "{fault}");
}
