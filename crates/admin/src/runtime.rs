//! `/runtime` and `/runtime_modify`: the layers of `layered_runtime` (`bootstrap.proto`), merged.
//!
//! The values are shown and changed as in Envoy. Which keys have an effect is said by `/not_in_force`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use destrier_envoy_json::Pool;
use envoy_types::pb::envoy::config::bootstrap::v3::runtime_layer::LayerSpecifier;
use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, RuntimeLayer};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

/// Values by layer, those of later layers over those of earlier ones.
#[derive(Debug, Default)]
pub struct RuntimeValues {
    layers: Vec<Layer>,
    /// The layer that `/runtime_modify` writes, if the bootstrap has one.
    admin: Option<usize>,
    overrides: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Layer {
    name: String,
    values: BTreeMap<String, String>,
}

impl RuntimeValues {
    /// The layers of a bootstrap. Values come from `static_layer` alone: what disks and a control plane
    /// would add is not read. Without layers there is one that can be written, as in Envoy.
    pub fn new(bootstrap: &Bootstrap) -> Self {
        let layers = bootstrap.layered_runtime.as_ref().map(|runtime| &*runtime.layers);
        let Some(layers) = layers else {
            let admin = Layer { name: "admin".into(), values: BTreeMap::new() };
            return Self { layers: vec![admin], admin: Some(0), ..Self::default() };
        };
        let is_admin = |layer: &RuntimeLayer| {
            matches!(layer.layer_specifier, Some(LayerSpecifier::AdminLayer(_)))
        };
        let admin = layers.iter().position(is_admin);
        Self { layers: layers.iter().map(Layer::new).collect(), admin, ..Self::default() }
    }

    fn shown(&self) -> Value {
        let overrides = self.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = |index: usize| match self.admin {
            Some(admin) if admin == index => &*overrides,
            _ => &self.layers[index].values,
        };
        let all = || (0..self.layers.len()).map(layer);
        let keys: std::collections::BTreeSet<&String> = all().flat_map(BTreeMap::keys).collect();
        let entries: Map<String, Value> = keys
            .into_iter()
            .map(|key| {
                let values: Vec<&str> =
                    all().map(|layer| layer.get(key).map_or("", String::as_str)).collect();
                let last = values.iter().rev().find(|value| !value.is_empty());
                let entry = json!({ "layer_values": values, "final_value": last });
                (key.clone(), entry)
            })
            .collect();
        let names: Vec<&str> = self.layers.iter().map(|layer| &*layer.name).collect();
        json!({ "entries": entries, "layers": names })
    }

    fn modify<'a>(&self, changes: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut overrides = self.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            if value.is_empty() {
                overrides.remove(key);
            } else {
                overrides.insert(key.to_owned(), value.to_owned());
            }
        }
    }
}

impl Layer {
    fn new(layer: &RuntimeLayer) -> Self {
        let mut values = BTreeMap::new();
        if let Some(LayerSpecifier::StaticLayer(fields)) = &layer.layer_specifier {
            flatten("", &Pool::new().to_value(fields), &mut values);
        }
        Self { name: layer.name.clone(), values }
    }
}

/// `{"a": {"b": 1}}` is `a.b`.
fn flatten(at: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if at.is_empty() { "" } else { "." };
                flatten(&format!("{at}{dot}{name}"), value, into);
            }
        }
        Value::String(text) => {
            into.insert(at.to_owned(), text.clone());
        }
        other => {
            into.insert(at.to_owned(), other.to_string());
        }
    }
}

pub(crate) fn page(sources: &Sources, _: &Query) -> Answer {
    Answer::json(&sources.runtime.shown())
}

const USAGE: &str = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override";

pub(crate) fn modify(sources: &Sources, query: &Query) -> Answer {
    if query.iter().len() == 0 {
        return Answer::bad_request(USAGE);
    }
    if sources.runtime.admin.is_none() {
        let text = "No admin layer specified\n";
        return Answer::text(axum::http::StatusCode::SERVICE_UNAVAILABLE, text);
    }
    sources.runtime.modify(query.iter());
    Answer::ok("OK\n")
}

#[cfg(test)]
mod tests {
    use destrier_envoy_json::{UnknownFields, parse_bootstrap};

    use super::*;

    fn values(layers: &Value) -> RuntimeValues {
        let text = json!({ "layered_runtime": { "layers": layers } }).to_string();
        let parsed = parse_bootstrap(&[&text], UnknownFields::Reject);
        RuntimeValues::new(&parsed.expect("it is a bootstrap").message)
    }

    #[test]
    fn later_layers_win_and_nesting_is_written_with_dots() {
        let runtime = values(&json!([
            { "name": "base", "static_layer": { "a": { "b": 50 }, "c": true } },
            { "name": "admin", "admin_layer": {} },
        ]));
        runtime.modify([("a.b", "40"), ("d", "x")].into_iter());
        let shown = runtime.shown();
        assert_eq!(
            shown["entries"]["a.b"],
            json!({ "layer_values": ["50", "40"], "final_value": "40" })
        );
        assert_eq!(shown["entries"]["c"]["final_value"], "true");
        assert_eq!(shown["layers"], json!(["base", "admin"]));
        runtime.modify([("a.b", ""), ("d", "")].into_iter());
        assert_eq!(runtime.shown()["entries"]["a.b"]["final_value"], "50");
        assert_eq!(runtime.shown()["entries"].get("d"), None);
    }
}
