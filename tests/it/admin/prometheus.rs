//! `/stats/prometheus` as Prometheus reads it, and the dashboard that asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use destrier::demo::local::request;
use prometheus_parse::{Scrape, Value as Sample};
use serde_json::Value;

use super::as_recorded;
use crate::mesh::text;
use crate::process::say_skipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_reads_every_series() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    for path in [
        "/stats/prometheus",
        "/stats?format=prometheus",
        "/stats/prometheus?usedonly",
        "/stats/prometheus?text_readouts",
        "/stats/prometheus?histogram_buckets=summary",
    ] {
        let page = text(&request(agent.admin, path, "").await?);
        // Prometheus itself takes empty braces, which Envoy writes; the library does not.
        let plain = page.replace("{} ", " ");
        let scrape = Scrape::parse(plain.lines().map(|line| Ok(line.to_owned())))?;
        let lines = page.lines().filter(|line| !line.starts_with('#')).count();
        let mut read = 0;
        for sample in &scrape.samples {
            read += match &sample.value {
                Sample::Histogram(buckets) => buckets.len(),
                Sample::Summary(quantiles) => quantiles.len(),
                Sample::Untyped(_) if of_distribution(&sample.metric) => 1,
                Sample::Counter(_) | Sample::Gauge(_) => 1,
                Sample::Untyped(_) => anyhow::bail!("{path}: {} has no type", sample.metric),
            };
        }
        let lost = lines - read;
        assert_eq!(lost, 0, "{path}: {lost} lines are no samples");
    }
    Ok(())
}

/// The library gives these no type of their own.
fn of_distribution(metric: &str) -> bool {
    metric.ends_with("_sum") || metric.ends_with("_count")
}

/// Each metric is declared once, above its series, and no series comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_of_a_metric_stand_together() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    let page = text(&request(agent.admin, "/stats/prometheus", "").await?);
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut current = "";
    let mut series = BTreeSet::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').context("a name and a type")?;
            assert_eq!(kinds.insert(name, kind), None, "declared twice: {line}");
            current = name;
            continue;
        }
        let (name, _) = line.split_once('{').context("a series")?;
        let belongs = match kinds.get(current) {
            Some(&"histogram") => {
                let suffix = name.strip_prefix(current);
                matches!(suffix, Some("_bucket" | "_sum" | "_count"))
            }
            _ => name == current,
        };
        assert!(belongs, "{line} stands below the type of {current}");
        let (id, _) = line.rsplit_once(' ').context("a value")?;
        assert!(series.insert(id), "twice: {line}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_accepts_the_page() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    let page = text(&request(agent.admin, "/stats/prometheus", "").await?);
    let child = Command::new("promtool")
        .args(["check", "metrics", "--lint=none"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        say_skipped("promtool check metrics: promtool is not installed")?;
        return Ok(());
    };
    child.stdin.take().context("a pipe")?.write_all(page.as_bytes())?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Every query of the dashboard names metrics and labels that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_asks_for_what_there_is() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    let page = text(&request(agent.admin, "/stats/prometheus", "").await?);
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').context("a series")?;
        let labels = rest.rsplit_once('}').map_or("", |(labels, _)| labels);
        let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
        known.entry(name).or_default().extend(labels);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let mut queries = Vec::new();
    expressions(&dashboard, &mut queries);
    assert!(queries.len() > 15, "{queries:?}");
    let selector = regex::Regex::new(r"(envoy_\w+)\s*(?:\{([^}]*)\})?")?;
    let label = regex::Regex::new(r#"(\w+)\s*(?:=~|!~|!=|=)\s*""#)?;
    let grouping = regex::Regex::new(r"\bby\s*\(([^)]*)\)")?;
    for query in queries {
        let mut of_query: BTreeSet<&str> = BTreeSet::new();
        for found in selector.captures_iter(&grouping.replace_all(&query, "")) {
            let labels = known.get(&found[1]);
            let labels = labels.with_context(|| format!("{} of {query}", &found[1]))?;
            of_query.extend(labels);
            for used in label.captures_iter(found.get(2).map_or("", |labels| labels.as_str())) {
                assert!(labels.contains(&used[1]), "{} has no {}: {query}", &found[1], &used[1]);
            }
        }
        for group in grouping.captures_iter(&query) {
            for used in group[1].split(',').map(str::trim) {
                assert!(of_query.contains(used), "there is no {used}: {query}");
            }
        }
    }
    Ok(())
}

/// Everything that a panel or a variable asks for.
fn expressions(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" => into.push(text.to_owned()),
                    Some(text) if key == "definition" => into.push(of_variable(text)),
                    _ => expressions(value, into),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| expressions(value, into)),
        _ => {}
    }
}

/// `label_values(metric, label)` is no PromQL; this asks for the same.
fn of_variable(definition: &str) -> String {
    let inner = definition.trim_start_matches("label_values(").trim_end_matches(')');
    match inner.rsplit_once(',') {
        Some((metric, label)) => format!("sum by ({}) ({metric})", label.trim()),
        None => definition.to_owned(),
    }
}
