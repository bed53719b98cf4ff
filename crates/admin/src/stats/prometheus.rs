//! `/stats/prometheus`: text format 0.0.4, with Envoy's names and labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use destrier_upstream::Histogram;

use super::Wanted;
use super::collect::{Kind, Stat, visit};
use crate::sources::Sources;

/// All series of one metric.
struct Metric {
    kind: Kind,
    lines: String,
}

pub(super) fn render(sources: &Sources, wanted: &Wanted) -> String {
    // By kind and then by name, as Envoy groups them.
    let mut metrics: BTreeMap<(Kind, String), Metric> = BTreeMap::new();
    visit(sources, &mut |scope, name, stat| {
        let shown = matches!(stat, Stat::Counter(_) | Stat::Gauge(_) | Stat::Histogram(_));
        if !shown || !wanted.wants(&(scope.prefix() + name), &stat) {
            return;
        }
        let (metric, labels) = sources.tags.extract(scope, name);
        let metric = format!("envoy_{}", sanitized(&metric));
        let labels: Vec<String> = labels
            .iter()
            .map(|(tag, value)| format!("{}=\"{}\"", sanitized(tag), escaped(value)))
            .collect();
        let kind = stat.kind();
        let entry = metrics
            .entry((kind, metric.clone()))
            .or_insert_with(|| Metric { kind, lines: String::new() });
        write_series(&mut entry.lines, &metric, &labels.join(","), &stat);
    });
    let mut text = String::new();
    for ((_, name), Metric { kind, lines }) in metrics {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Counter | Kind::Text => "counter",
        };
        let _ = write!(text, "# TYPE {name} {kind}\n{lines}");
    }
    text
}

/// Writing to a `String` cannot fail, hence the ignored results.
fn write_series(lines: &mut String, metric: &str, labels: &str, stat: &Stat) {
    match stat {
        Stat::Text(_) => {}
        Stat::Counter(value) | Stat::Gauge(value) => {
            let _ = writeln!(lines, "{metric}{{{labels}}} {value}");
        }
        Stat::Histogram(histogram) => {
            let comma = if labels.is_empty() { "" } else { "," };
            for (bound, count) in Histogram::BOUNDS_MS.iter().zip(histogram.buckets) {
                let _ = writeln!(lines, "{metric}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
            }
            let count = histogram.count;
            let _ = writeln!(lines, "{metric}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
            let _ = writeln!(lines, "{metric}_sum{{{labels}}} {}", histogram.sum_ms);
            let _ = writeln!(lines, "{metric}_count{{{labels}}} {count}");
        }
    }
}

/// Letters, digits and `_`, as Prometheus wants names.
fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_what_prometheus_takes() {
        assert_eq!(sanitized("cluster.upstream_rq-x"), "cluster_upstream_rq_x");
        assert_eq!(escaped("a\"b\\c\n"), r#"a\"b\\c\n"#);
    }

    #[test]
    fn a_series_without_labels_has_empty_braces() {
        let mut lines = String::new();
        write_series(&mut lines, "envoy_server_live", "", &Stat::Gauge(1));
        assert_eq!(lines, "envoy_server_live{} 1\n");
    }
}
