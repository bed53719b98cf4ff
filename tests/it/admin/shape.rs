//! What of a page is compared: keys and their types, names and labels, short texts as they are.

use std::collections::BTreeSet;

use serde_json::Value;

/// Everything about a page that has to be the same, as lines.
pub(crate) fn shape(path: &str, content_type: &str, body: &str) -> BTreeSet<String> {
    let plain = path.split('?').next().unwrap_or(path);
    let parsed = content_type.starts_with("application/json").then(|| serde_json::from_str(body));
    match (plain, parsed) {
        ("/stats", Some(Ok(page))) => of_json_stats(&page),
        (_, Some(Ok(page))) => {
            let mut keys = BTreeSet::new();
            of_json(&page, "", &mut keys);
            keys
        }
        (_, Some(Err(error))) => [format!("no JSON: {error}")].into(),
        _ if content_type.starts_with("text/html") => [].into(),
        _ if body.starts_with("# TYPE ") => of_prometheus(body),
        ("/clusters", _) => of_clusters(body),
        ("/stats", _) if body.lines().all(|line| of_stat(line).is_some()) => {
            body.lines().filter_map(of_stat).collect()
        }
        ("/listeners", _) => body.lines().map(generalized).collect(),
        _ if body.contains("admin commands are:") => of_help(body),
        ("/logging", _) if body.contains("active loggers:") => of_loggers(body),
        _ => [format!("text {body:?}")].into(),
    }
}

/// Every path of keys with the type of its value; lists are taken as one, and an object that names its
/// type is told from others.
fn of_json(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(list) => {
            list.iter().for_each(|value| of_json(value, &format!("{at}[]"), into));
            return;
        }
        Value::Object(fields) => {
            let typed = fields.get("@type").and_then(Value::as_str);
            let typed = typed.and_then(|url| url.rsplit('.').next());
            let at = typed.map_or_else(|| at.to_owned(), |kind| format!("{at}<{kind}>"));
            fields.iter().for_each(|(key, value)| of_json(value, &format!("{at}.{key}"), into));
            return;
        }
    };
    into.insert(format!("{at} {kind}"));
}

/// Names of statistics, and the form of histograms.
fn of_json_stats(page: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for stat in page["stats"].as_array().into_iter().flatten() {
        match (stat["name"].as_str(), &stat["value"]) {
            (Some(name), Value::String(_)) => keys.insert(format!("{} text", generalized(name))),
            (Some(name), Value::Number(_)) => keys.insert(format!("{} number", generalized(name))),
            _ => {
                histogram_names(stat, &mut keys);
                of_json(stat, "", &mut keys);
                continue;
            }
        };
    }
    keys
}

fn histogram_names(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("name").and_then(Value::as_str) {
                into.insert(format!("{} histogram", generalized(name)));
            }
            fields.values().for_each(|value| histogram_names(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| histogram_names(value, into)),
        _ => {}
    }
}

/// `name: value`.
fn of_stat(line: &str) -> Option<String> {
    let (name, value) = line.rsplit_once(": ")?;
    let kind = match value.as_bytes() {
        [b'"', ..] => "text",
        [b'0'..=b'9', ..] => "number",
        [b'B', ..] => "buckets",
        _ => "quantiles",
    };
    // A histogram's values have a colon and a space in none of its forms.
    Some(format!("{} {kind}", generalized(name)))
}

/// A name without the names of clusters, listeners and prefixes in it.
pub(crate) fn generalized(name: &str) -> String {
    for (scope, ends) in [
        ("cluster.", &[".local.", "Cluster.", "prometheus_stats.", "xds-grpc.", "xds."][..]),
        ("http.", &["outbound_127.0.0.1_30300.", "inbound_0.0.0.0_8080.", "stats.", "admin."]),
        ("tcp.", &[".local."]),
        ("listener.", &[".worker_0.", "admin."]),
    ] {
        let Some(rest) = name.strip_prefix(scope) else { continue };
        if scope == "http." && rest.starts_with("admin.") {
            return name.to_owned();
        }
        for end in ends {
            if let Some(at) = rest.find(end) {
                let kept = if *end == ".worker_0." { at + 1 } else { at + end.len() };
                return format!("{scope}*.{}", &rest[kept..]);
            }
        }
        if scope == "listener." {
            // `127.0.0.1_30300.downstream_cx_total`, or with `http.<prefix>.` between.
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "._".contains(c));
            return format!("listener.*.{}", inner_http(rest));
        }
    }
    address_free(name)
}

fn inner_http(name: &str) -> String {
    match name.strip_prefix("http.").and_then(|rest| rest.rsplit_once('.')) {
        Some((_, last)) => format!("http.*.{last}"),
        None => name.to_owned(),
    }
}

/// `name::127.0.0.1:30309` has a port that is another each time.
fn address_free(line: &str) -> String {
    match line.rsplit_once(':') {
        Some((rest, port)) if port.parse::<u16>().is_ok() => format!("{rest}:*"),
        _ => line.to_owned(),
    }
}

/// The keys of a cluster, and those of a host.
fn of_clusters(page: &str) -> BTreeSet<String> {
    let key = |line: &str| {
        let parts: Vec<&str> = line.split("::").collect();
        let is_host = parts.get(1).is_some_and(|part| part.parse::<std::net::SocketAddr>().is_ok());
        match parts.as_slice() {
            [_, _, key, ..] if is_host => format!("host {key}"),
            [_, scope, key, _] => format!("{scope} {key}"),
            [_, key, ..] => (*key).to_owned(),
            _ => line.to_owned(),
        }
    };
    page.lines().map(key).collect()
}

/// Each metric with its type, and each set of labels that its series have.
fn of_prometheus(page: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            keys.insert(without_prefixes(declared));
        } else if let Some((name, labels)) = line.split_once('{') {
            let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
            let names: Vec<&str> =
                labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect();
            keys.insert(format!("{}{{{}}}", without_prefixes(name), names.join(",")));
        }
    }
    keys
}

/// Istio's tags do not find these prefixes, so they stand in the names of metrics.
fn without_prefixes(name: &str) -> String {
    let mut name = name.to_owned();
    for prefix in ["outbound_127_0_0_1_30300", "inbound_0_0_0_0_8080"] {
        name = name.replace(prefix, "*");
    }
    name
}

/// Each path and whether it wants POST.
fn of_help(page: &str) -> BTreeSet<String> {
    let paths = page.lines().filter_map(|line| line.strip_prefix("  /"));
    paths.filter_map(|line| Some(format!("/{}", line.split_once(':')?.0))).collect()
}

/// Each logger, and the fault that is named.
fn of_loggers(page: &str) -> BTreeSet<String> {
    let told = |line: &&str| line.starts_with("  ") || line.starts_with("error: ");
    page.lines().filter(told).map(str::to_owned).collect()
}
