//! `/`: a page for people. What runs, since when, what is unwell and why; links to the rest. It needs no
//! scripts, and everything on it that others wrote is escaped.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use destrier_control::assignment_name;
use destrier_policy::{Lifecycle, RoutingPriority};
use destrier_upstream::{Cluster, Limit};

use crate::answer::{Answer, HTML};
use crate::pages::{Allowed, PAGES};
use crate::query::Query;
use crate::sources::Sources;

/// Lines of what is unwell; the rest is counted.
const SHOWN: usize = 50;

const STYLE: &str = "body{font-family:sans-serif;max-width:60em;margin:1em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.15em 1em .15em 0}\
code{font-size:95%}";

pub(crate) fn page(sources: &Arc<Sources>, _: &Query) -> Answer {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Destrier</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Destrier</h1>\n"
    );
    write_summary(&mut html, sources);
    write_unwell(&mut html, &unwell(sources));
    write_links(&mut html);
    html.push_str("</body>\n</html>\n");
    Answer::new(HTML, html)
}

fn write_summary(html: &mut String, sources: &Sources) {
    let live = sources.directory.load();
    let listeners: Vec<String> = sources
        .proxy
        .listeners()
        .iter()
        .map(|listener| format!("{} at {}", listener.name, listener.address))
        .collect();
    let rows = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("State", sources.state.get().name().to_owned()),
        ("Runs for", lasting(sources.uptime())),
        ("Workers", sources.workers.to_string()),
        ("Listeners", listeners.join(", ")),
        ("Clusters", format!("{} live, {} warming", live.len(), live.warming().len())),
        ("Control plane", control_plane(sources)),
    ];
    html.push_str("<table>\n");
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    html.push_str("</table>\n");
}

fn control_plane(sources: &Sources) -> String {
    let Some(status) = sources.xds.as_ref().map(|xds| xds.load()) else {
        return "none: everything stands in the bootstrap".to_owned();
    };
    let since = status.connected_changed.map_or_else(String::new, |changed| {
        let since = (sources.instant)().saturating_duration_since(changed);
        format!(" for {}", lasting(since))
    });
    match (status.connected, &status.last_error) {
        (true, _) => {
            let before =
                status.last_disconnect.iter().map(|error| format!("; before that: {error}"));
            let refused = status.types.iter().filter_map(|(kind, it)| {
                Some(format!("; {} refused: {}", kind.message(), it.error.as_ref()?))
            });
            let unasked = (status.unasked_messages > 0)
                .then(|| format!("; {} messages that nobody asked for", status.unasked_messages));
            format!("connected{since}") + &before.chain(refused).chain(unasked).collect::<String>()
        }
        (false, None) => "not connected yet".to_owned(),
        (false, Some(error)) => format!("not connected{since}: {error}"),
    }
}

/// What is wrong, with the name of whom it concerns.
fn unwell(sources: &Sources) -> Vec<(String, String)> {
    let live = sources.directory.load();
    let mut found: Vec<(String, String)> = Vec::new();
    for cluster in live.iter() {
        let name = cluster.name().to_string();
        let spec = live.snapshot().clusters.get(cluster.name());
        if spec.is_some_and(|spec| matches!(spec.lifecycle, Lifecycle::Removed { .. })) {
            found.push((name.clone(), "removed by the control plane; a route names it".into()));
        }
        if let Some(reason) = cluster.unusable_reason() {
            found.push((name.clone(), format!("takes no request: {reason}")));
        }
        found.extend(full_limits(cluster).map(|limit| (name.clone(), limit)));
    }
    for waiting in live.warming() {
        found.push((
            waiting.name.to_string(),
            format!("not in force yet: waits for {}", waiting.waits_for),
        ));
    }
    found.extend(crate::files::unwell(sources));
    let assembler = sources.assembler();
    let store = assembler.resources();
    let clusters = store.clusters.iter().map(|(name, resource)| (name.as_str(), resource));
    let endpoints = store.endpoints.iter().map(|(key, resource)| (assignment_name(key), resource));
    for (name, resource) in clusters.chain(endpoints) {
        if let Some(error) = &resource.error {
            let reasons: Vec<String> = error.rejections.iter().map(ToString::to_string).collect();
            found.push((name.to_owned(), format!("an update was refused: {}", reasons.join("; "))));
        }
    }
    found
}

fn full_limits(cluster: &Cluster) -> impl Iterator<Item = String> {
    let limits = [
        (Limit::Connections, "max_connections"),
        (Limit::Pending, "max_pending_requests"),
        (Limit::Requests, "max_requests"),
    ];
    limits.into_iter().filter_map(|(limit, name)| {
        let usage = cluster.state().breakers().usage(RoutingPriority::Default, limit);
        (usage.used >= usage.limit).then(|| format!("at its limit: {name} {}", usage.limit))
    })
}

fn write_unwell(html: &mut String, unwell: &[(String, String)]) {
    html.push_str("<h2>Unwell</h2>\n");
    if unwell.is_empty() {
        html.push_str("<p>Nothing.</p>\n");
        return;
    }
    html.push_str("<table>\n");
    for (name, reason) in unwell.iter().take(SHOWN) {
        let (name, reason) = (escaped(name), escaped(reason));
        let _ = writeln!(html, "<tr><td><code>{name}</code></td><td>{reason}</td></tr>");
    }
    html.push_str("</table>\n");
    if let Some(more) = unwell.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(html, "<p>And {more} more: <a href=\"/lb\">/lb</a>.</p>");
    }
}

/// Links are relative to the root: the port may be forwarded. What changes something is no link.
fn write_links(html: &mut String) {
    html.push_str("<h2>Pages</h2>\n<table>\n");
    for page in PAGES.iter().filter(|page| page.path != "/") {
        let (path, help) = (page.path, escaped(page.help));
        let shown = match page.method {
            Allowed::Any => format!("<a href=\"{path}\">{path}</a>"),
            Allowed::Post => format!("POST {path}"),
        };
        let _ = writeln!(html, "<tr><td>{shown}</td><td>{help}</td></tr>");
    }
    html.push_str("</table>\n");
}

fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Text within HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_no_markup() {
        assert_eq!(escaped("<a b='\"&"), "&lt;a b=&#39;&quot;&amp;");
    }

    #[test]
    fn times_are_short() {
        let shown = [5, 65, 3700, 90_000].map(|seconds| lasting(Duration::from_secs(seconds)));
        assert_eq!(shown, ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]);
    }
}
