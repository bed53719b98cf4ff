//! `/stats/prometheus`: text format 0.0.4, with Envoy's names and labels.
//!
//! The format wants all series of a metric together, so the page goes through the clusters once for each
//! metric. The values are read before that, all in one go, into columns of twelve bytes a value: the text
//! of 10,000 clusters would be a hundred times as large.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use destrier_upstream::{Cluster, StatValue};

use super::Wanted;
use super::collect::{Kind, Stat, visit_fixed};
use super::distribution::{Buckets, Distribution};
use super::tags::Scope;
use crate::query::Query;
use crate::sources::Sources;
use crate::stream::{Gone, Out};

/// `?text_readouts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    Omitted,
    /// As gauges of value 0 with the text as a label.
    Shown,
}

impl Texts {
    pub(super) fn read(query: &Query) -> Self {
        match query.get("text_readouts") {
            None | Some("false" | "0") => Self::Omitted,
            Some(_) => Self::Shown,
        }
    }
}

/// What a query asks for.
pub(super) struct Form {
    pub(super) wanted: Wanted,
    pub(super) buckets: Buckets,
    pub(super) texts: Texts,
}

/// One statistic of all clusters that have it.
#[derive(Default)]
struct Column {
    /// Indices into the list of clusters, ascending.
    clusters: Vec<u32>,
    /// Values of counters and gauges. A histogram is read when it is written.
    values: Vec<u64>,
}

/// All series of one metric.
#[derive(Default)]
struct Metric {
    /// Names of statistics of clusters: those that differ in tags alone are one metric.
    names: Vec<String>,
    /// What belongs to no cluster, written out.
    lines: String,
}

/// By kind and then by name, as Envoy orders them.
type Metrics = BTreeMap<(Kind, String), Metric>;

type Columns = BTreeMap<(Kind, String), Column>;

pub(super) async fn render(mut out: Out, sources: Arc<Sources>, form: Form) -> Result<Out, Gone> {
    let clusters: Vec<Arc<Cluster>> = sources.clusters_by_name().collect();
    let mut metrics = Metrics::new();
    visit_fixed(&sources, &mut |scope, name, stat| {
        if form.wants(scope, name, &stat) {
            let (metric, labels) = named(&sources, scope, name);
            let entry = metrics.entry((stat.kind(), metric.clone())).or_default();
            form.write_series(&mut entry.lines, &metric, &labels, &stat);
        }
    });
    let columns = read(&mut out, &clusters, &form).await?;
    for (kind, name) in columns.keys() {
        // Which metric a name belongs to does not depend on the cluster, whose name is a tag.
        let (metric, _) = named(&sources, Scope::Cluster("x"), name);
        metrics.entry((*kind, metric)).or_default().names.push(name.clone());
    }
    let mut strays = Metrics::new();
    for ((kind, name), metric) in &metrics {
        let _ = writeln!(out.text(), "# TYPE {name} {}", form.type_name(*kind));
        out.text().push_str(&metric.lines);
        let mut places = vec![0; metric.names.len()];
        for (index, cluster) in clusters.iter().enumerate() {
            for (stat, place) in metric.names.iter().zip(&mut places) {
                let Some(column) = columns.get(&(*kind, stat.clone())) else { continue };
                if column.clusters.get(*place).is_none_or(|known| *known as usize != index) {
                    continue;
                }
                let Some(value) = column.value(*kind, *place, cluster, stat) else { continue };
                *place += 1;
                let scope = Scope::Cluster(&cluster.policy().observability_name);
                let (own, labels) = named(&sources, scope, stat);
                if own == *name {
                    form.write_series(out.text(), name, &labels, &value);
                } else {
                    // Tags that are taken from the rest of the name: it is a metric of its own.
                    let entry = strays.entry((*kind, own.clone())).or_default();
                    form.write_series(&mut entry.lines, &own, &labels, &value);
                }
            }
            out.step().await?;
        }
    }
    for ((kind, name), metric) in strays {
        let _ = write!(out.text(), "# TYPE {name} {}\n{}", form.type_name(kind), metric.lines);
        out.step().await?;
    }
    Ok(out)
}

/// All values that are wanted.
async fn read(out: &mut Out, clusters: &[Arc<Cluster>], form: &Form) -> Result<Columns, Gone> {
    let mut columns = Columns::new();
    for (index, cluster) in (0..).zip(clusters) {
        let scope = Scope::Cluster(&cluster.policy().observability_name);
        cluster.visit_stats(&mut |name, value| {
            let stat = Stat::of(value);
            if !form.wants(scope, name, &stat) {
                return;
            }
            let column = columns.entry((stat.kind(), name.to_owned())).or_insert_with(|| Column {
                // What the first cluster has, most have.
                clusters: Vec::with_capacity(if index == 0 { clusters.len() } else { 0 }),
                values: Vec::with_capacity(if index == 0 { clusters.len() } else { 0 }),
            });
            column.clusters.push(index);
            if let Stat::Counter(value) | Stat::Gauge(value) = stat {
                column.values.push(value);
            }
        });
        out.step().await?;
    }
    Ok(columns)
}

impl Column {
    fn value(&self, kind: Kind, place: usize, cluster: &Cluster, name: &str) -> Option<Stat> {
        match kind {
            Kind::Counter => self.values.get(place).copied().map(Stat::Counter),
            Kind::Gauge => self.values.get(place).copied().map(Stat::Gauge),
            Kind::Text => None,
            Kind::Histogram => {
                let mut found = None;
                cluster.visit_stats(&mut |known, value| {
                    if known == name && matches!(value, StatValue::Histogram(_)) {
                        found = Some(Stat::of(value));
                    }
                });
                found
            }
        }
    }
}

/// The name of the metric, and its labels as they are written.
fn named(sources: &Sources, scope: Scope<'_>, name: &str) -> (String, String) {
    let (metric, labels) = sources.tags.extract(scope, name);
    let labels: Vec<String> = labels
        .iter()
        .map(|(tag, value)| format!("{}=\"{}\"", sanitized(tag), escaped(value)))
        .collect();
    (format!("envoy_{}", sanitized(&metric)), labels.join(","))
}

impl Form {
    fn wants(&self, scope: Scope<'_>, name: &str, stat: &Stat) -> bool {
        (stat.kind() != Kind::Text || self.texts == Texts::Shown)
            && self.wanted.wants_value(stat)
            && (self.wanted.filter.is_none() || self.wanted.wants_name(&(scope.prefix() + name)))
    }

    fn type_name(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Text => "gauge",
            Kind::Histogram if self.buckets == Buckets::Summary => "summary",
            Kind::Histogram => "histogram",
        }
    }

    /// Writing to a `String` cannot fail, hence the ignored results.
    fn write_series(&self, lines: &mut String, metric: &str, labels: &str, stat: &Stat) {
        let comma = if labels.is_empty() { "" } else { "," };
        match stat {
            Stat::Text(text) => {
                let text = escaped(text);
                let _ = writeln!(lines, "{metric}{{{labels}{comma}text_value=\"{text}\"}} 0");
            }
            Stat::Counter(value) | Stat::Gauge(value) => {
                let _ = writeln!(lines, "{metric}{{{labels}}} {value}");
            }
            Stat::Histogram(histogram) => {
                let labels = format!("{labels}{comma}");
                match self.buckets {
                    Buckets::Summary => write_quantiles(lines, metric, &labels, histogram),
                    _ => write_buckets(lines, metric, &labels, histogram),
                }
                let labels = labels.trim_end_matches(',');
                let _ = writeln!(lines, "{metric}_sum{{{labels}}} {}", histogram.sum_ms);
                let _ = writeln!(lines, "{metric}_count{{{labels}}} {}", histogram.count);
            }
        }
    }
}

fn write_quantiles(lines: &mut String, metric: &str, labels: &str, histogram: &Distribution) {
    for (percent, value) in Distribution::QUANTILES.iter().zip(histogram.quantiles) {
        let value = if histogram.count == 0 { f64::NAN } else { value };
        // Divided as text: 99.9 / 100.0 is not 0.999.
        let quantile = (percent * 10.0).round() / 1000.0;
        let _ = writeln!(lines, "{metric}{{{labels}quantile=\"{quantile}\"}} {value}");
    }
}

fn write_buckets(lines: &mut String, metric: &str, labels: &str, histogram: &Distribution) {
    for (bound, count) in histogram.cumulative() {
        let _ = writeln!(lines, "{metric}_bucket{{{labels}le=\"{bound}\"}} {count}");
    }
    let _ = writeln!(lines, "{metric}_bucket{{{labels}le=\"+Inf\"}} {}", histogram.count);
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
        let wanted = Wanted { filter: None, inverted: false, used_only: false, kind: None };
        let form = Form { wanted, buckets: Buckets::Cumulative, texts: Texts::Shown };
        let mut lines = String::new();
        form.write_series(&mut lines, "envoy_server_live", "", &Stat::Gauge(1));
        form.write_series(&mut lines, "envoy_text", "", &Stat::Text("a\"".into()));
        assert_eq!(lines, "envoy_server_live{} 1\nenvoy_text{text_value=\"a\\\"\"} 0\n");
    }
}
