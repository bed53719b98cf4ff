//! `?mask=`: a `google.protobuf.FieldMask`, applied to what is shown.

use std::fmt;

use destrier_envoy_json::{Pool, UnknownFields};
use serde_json::{Map, Value};

use super::sections::{Content, Section};

/// Paths of fields, each from the top of a message. Within an `Any` they go on in its message, as in
/// Envoy.
pub(super) struct Mask(Vec<String>);

impl Mask {
    /// Paths stand between commas.
    pub(super) fn read(text: &str) -> Self {
        Self(text.split(',').map(str::to_owned).collect())
    }

    /// The fields of a dump that the mask names, or nothing where it cannot be applied: a path that the
    /// message does not have, or that goes through a list.
    pub(super) fn trim(&self, section: Section) -> Option<Section> {
        let mut fields = Vec::new();
        let mut known = 0;
        for (name, content) in section.fields {
            let mut inner = Vec::new();
            for path in &self.0 {
                let (first, rest) = path.split_once('.').unwrap_or((path, ""));
                if first == name {
                    inner.push(rest);
                }
            }
            if inner.is_empty() {
                continue;
            }
            known += inner.len();
            let whole = inner.contains(&"");
            match content {
                Content::Value(value) if !whole => {
                    fields.push((name, Content::Value(pruned(&value, &inner))));
                }
                Content::List(_) if !whole => return None,
                content => fields.push((name, content)),
            }
        }
        (known == self.0.len()).then_some(Section { type_url: section.type_url, fields })
    }

    /// The first path that a message, shown with its `@type`, does not have.
    pub(super) fn first_unknown(&self, message: &Value) -> Option<&str> {
        let exists = |path: &&String| {
            let probe = probe(message, path);
            Pool::new().resource(&probe, UnknownFields::Reject).is_ok()
        };
        self.0.iter().find(|path| !exists(path)).map(String::as_str)
    }

    /// What is left of a message. Its type stays.
    pub(super) fn applied(&self, message: &Value) -> Value {
        let paths: Vec<&str> = self.0.iter().map(String::as_str).collect();
        pruned(message, &paths)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// A message with nothing but a null at the path: it can be read if there is such a field.
fn probe(message: &Value, path: &str) -> Value {
    let Some((first, rest)) = path.split_once('.') else {
        return typed(message, path, Value::Null);
    };
    typed(message, first, probe(&message[first], rest))
}

fn typed(message: &Value, name: &str, value: Value) -> Value {
    let kind = message.get("@type").map(|kind| ("@type".to_owned(), kind.clone()));
    kind.into_iter().chain([(name.to_owned(), value)]).collect::<Map<_, _>>().into()
}

/// The members that a path leads to, in their order.
fn pruned(value: &Value, paths: &[&str]) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let kept = fields.iter().filter_map(|(name, value)| {
        if name == "@type" || paths.contains(&name.as_str()) {
            return Some((name.clone(), value.clone()));
        }
        let inner: Vec<&str> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(name.as_str())?.strip_prefix('.'))
            .collect();
        (!inner.is_empty()).then(|| (name.clone(), pruned(value, &inner)))
    });
    kept.collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster() -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster",
            "version_info": "7",
            "cluster": {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": "a",
                "connect_timeout": "1s",
            },
        })
    }

    #[test]
    fn types_and_named_fields_are_kept() {
        let left = Mask::read("cluster.name,version_info").applied(&cluster());
        assert_eq!(left["cluster"].as_object().map(Map::len), Some(2));
        assert_eq!((&left["cluster"]["name"], &left["version_info"]), (&json!("a"), &json!("7")));
    }

    #[test]
    fn a_field_that_is_not_set_is_known_all_the_same() {
        let unknown = |mask: &str| {
            let mask = Mask::read(mask);
            mask.first_unknown(&cluster()).map(str::to_owned)
        };
        assert_eq!(unknown("cluster.name,error_state,last_updated"), None);
        assert_eq!(unknown("cluster.outlier_detection"), None);
        assert_eq!(unknown("version_info,nope"), Some("nope".to_owned()));
        assert_eq!(unknown("cluster.nope"), Some("cluster.nope".to_owned()));
    }
}
