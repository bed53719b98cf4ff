//! `/stats?format=json`, in Envoy's shape.

use serde_json::{Value, json};

use super::collect::{Distribution, Stat};

pub(super) fn render(stats: Vec<(String, Stat)>) -> Value {
    let (mut listed, mut histograms) = (Vec::new(), Vec::new());
    for (name, stat) in stats {
        match stat {
            Stat::Text(value) => listed.push(json!({ "name": name, "value": value })),
            Stat::Counter(value) | Stat::Gauge(value) => {
                listed.push(json!({ "name": name, "value": value }));
            }
            Stat::Histogram(histogram) => {
                let values = histogram.quantiles.iter().map(|value| {
                    let shown = if histogram.count == 0 { Value::Null } else { json!(value) };
                    json!({ "cumulative": shown, "interval": null })
                });
                histograms.push(json!({ "name": name, "values": values.collect::<Vec<_>>() }));
            }
        }
    }
    if !histograms.is_empty() {
        listed.push(json!({
            "histograms": {
                "supported_quantiles": Distribution::QUANTILES,
                "computed_quantiles": histograms,
            }
        }));
    }
    json!({ "stats": listed })
}
