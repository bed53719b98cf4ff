//! Settings of our own: keys `destrier.*` of `layered_runtime`.

use std::time::Duration;

use destrier_policy::Value;
use envoy_types::pb::envoy::config::bootstrap::v3::{
    LayeredRuntime, runtime_layer::LayerSpecifier,
};

use crate::RemovedEndpoints;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// The keys `destrier.*`, which may stand in any `static_layer`; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `destrier.deletion_grace`: how long a removed cluster that a route still names is kept, as in
    /// `"60s"`. Default 60 s.
    pub deletion_grace: Duration,
    /// `destrier.eds_removed_endpoints`: `"keep"` (default, as in Envoy) or `"clear"`: what EDS
    /// `removed_resources` does to the endpoints held.
    pub removed_endpoints: RemovedEndpoints,
    /// `destrier.file_poll_interval`: how often files of `path_config_source` are looked at. Default 1 s.
    pub file_poll_interval: Duration,
    /// `destrier.xds_max_message_bytes`: the largest response of the control plane. Default 200 MiB.
    pub xds_max_message_bytes: usize,
    /// `destrier.xds_wildcard`: `"legacy"` (default) subscribes to all clusters by an empty list,
    /// `"explicit"` by `*`.
    pub xds_wildcard: Wildcard,
}

impl Settings {
    /// Every key with its default and its meaning, for the documentation.
    pub const KEYS: [(&str, &str, &str); 5] = [
        (
            "destrier.deletion_grace",
            "\"60s\"",
            "how long a removed cluster that a route still names is kept",
        ),
        (
            "destrier.eds_removed_endpoints",
            "\"keep\"",
            "what EDS removed_resources does to the endpoints held: keep (as in Envoy) or clear",
        ),
        (
            "destrier.file_poll_interval",
            "\"1s\"",
            "how often files of path_config_source are looked at",
        ),
        (
            "destrier.xds_max_message_bytes",
            "209715200",
            "the largest response of the control plane, in bytes",
        ),
        (
            "destrier.xds_wildcard",
            "\"legacy\"",
            "how delta subscribes to all clusters: legacy (an empty list) or explicit (*)",
        ),
    ];

    fn set(&mut self, key: &str, value: &Value) -> Result<(), Fault> {
        match key {
            "destrier.deletion_grace" => self.deletion_grace = duration(value)?,
            "destrier.eds_removed_endpoints" => {
                self.removed_endpoints = match text(value)? {
                    "keep" => RemovedEndpoints::Keep,
                    "clear" => RemovedEndpoints::Clear,
                    other => return Err(format!("{other:?} is neither \"keep\" nor \"clear\"")),
                }
            }
            "destrier.file_poll_interval" => {
                self.file_poll_interval = duration(value)?;
                if self.file_poll_interval < Duration::from_millis(1) {
                    return Err("must be 1ms or more".into());
                }
            }
            "destrier.xds_max_message_bytes" => self.xds_max_message_bytes = bytes(value)?,
            "destrier.xds_wildcard" => {
                self.xds_wildcard = match text(value)? {
                    "legacy" => Wildcard::Legacy,
                    "explicit" => Wildcard::Explicit,
                    other => {
                        return Err(format!("{other:?} is neither \"legacy\" nor \"explicit\""));
                    }
                }
            }
            _ => {
                let known: Vec<_> = Self::KEYS.iter().map(|(key, ..)| *key).collect();
                return Err(format!("no such setting; there are {}", known.join(", ")));
            }
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deletion_grace: Duration::from_secs(60),
            removed_endpoints: RemovedEndpoints::Keep,
            file_poll_interval: Duration::from_secs(1),
            xds_max_message_bytes: 200 << 20,
            xds_wildcard: Wildcard::Legacy,
        }
    }
}

/// How the delta subscription to all clusters is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wildcard {
    /// An empty list.
    #[default]
    Legacy,
    /// `*`.
    Explicit,
}

/// Reads the keys `destrier.*`; all others are Envoy's.
pub(super) fn settings(runtime: Option<&LayeredRuntime>, report: &mut Report<'_>) -> Settings {
    let mut settings = Settings::default();
    let root = FieldPath::ROOT;
    let path = root.field("layered_runtime");
    let path = path.field("layers");
    for (index, layer) in runtime.iter().flat_map(|runtime| &runtime.layers).enumerate() {
        let Some(LayerSpecifier::StaticLayer(layer)) = &layer.layer_specifier else { continue };
        let path = path.index(index);
        let path = path.field("static_layer");
        let Some(layer) = report.check(&path, proto::structure(layer)) else { continue };
        for (key, value) in &layer {
            each_setting(key, value, &mut |key, value| {
                report.check(&path.key(key), settings.set(key, value));
            });
        }
    }
    settings
}

/// Envoy takes `{a: {b: 1}}` for `{a.b: 1}`.
fn each_setting(key: &str, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        _ if key != "destrier" && !key.starts_with("destrier.") => {}
        Value::Struct(fields) => {
            for (inner, value) in fields {
                each_setting(&format!("{key}.{inner}"), value, visit);
            }
        }
        _ => visit(key, value),
    }
}

fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| "must be a string".into())
}

/// As JSON has durations: `"1.5s"`.
fn duration(value: &Value) -> Result<Duration, Fault> {
    let text = text(value)?;
    let seconds = text
        .strip_suffix('s')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    let seconds = seconds.and_then(|digits| digits.parse::<f64>().ok());
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A century: what is added to a time must not overflow.
    let duration = duration.filter(|duration| *duration <= Duration::from_secs(3_155_760_000));
    duration.ok_or_else(|| format!("{text:?} is not a duration such as \"60s\""))
}

fn bytes(value: &Value) -> Result<usize, Fault> {
    match value {
        Value::Number(number)
            if number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(number) =>
        {
            // In range, and whole.
            Ok(*number as usize)
        }
        _ => Err(format!("must be a whole number from 1 to {}", u32::MAX)),
    }
}
