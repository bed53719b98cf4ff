//! The table of pages: every path, what it is for, and who answers.

use std::sync::Arc;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;
use crate::{
    breakers, clusters, config_dump, files, home, init_dump, lb, lifecycle, listeners, logging,
    memory, not_in_force, runtime, server_info, stats, timeline, unavailable,
};

/// What a path does.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) help: &'static str,
    /// What each parameter is for.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) method: Allowed,
    pub(crate) handler: fn(&Arc<Sources>, &Query) -> Answer,
}

/// Which methods a page answers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// It only shows: any method, as in Envoy.
    Any,
    /// It changes something.
    Post,
}

const CLUSTER_FILTER: (&str, &str) =
    ("filter", "regular expression that picks clusters by name; it may match anywhere");

const ENABLE: &[(&str, &str)] = &[("enable", "one of (y, n)")];

/// A page that shows.
const fn shows(
    path: &'static str,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    handler: fn(&Arc<Sources>, &Query) -> Answer,
) -> Page {
    Page { path, help, parameters, method: Allowed::Any, handler }
}

/// A page that changes something.
const fn changes(
    path: &'static str,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    handler: fn(&Arc<Sources>, &Query) -> Answer,
) -> Page {
    Page { path, help, parameters, method: Allowed::Post, handler }
}

/// Every path, in the order of `/help`.
pub(crate) const PAGES: &[Page] = &[
    shows("/", "home page: what runs, and what is unwell", &[], home::page),
    changes("/allocprofiler", "not supported", ENABLE, |s, q| unavailable::alloc_profiler(s, q)),
    shows(
        "/breakers",
        "limits of each cluster, what is in use, and what was refused",
        &[CLUSTER_FILTER],
        |s, q| breakers::page(s, q),
    ),
    shows("/certs", "print certs on machine", &[], |s, q| unavailable::certs(s, q)),
    shows(
        "/clusters",
        "upstream cluster status",
        &[CLUSTER_FILTER, ("format", "one of (text, json)")],
        clusters::page,
    ),
    shows(
        "/config/timeline",
        "print what became of each resource that came, the newest first",
        &[
            ("name", "of this name only"),
            ("type", "of types that end so only"),
            ("limit", "how many; 100 by default"),
        ],
        |s, q| timeline::page(s, q),
    ),
    shows(
        "/config_dump",
        "dump current configs",
        &[
            ("resource", "the list to dump"),
            ("mask", "fields to show, of each element where a resource is given"),
            ("name_regex", "dump only what has a name that matches as a whole"),
            ("include_eds", "dump endpoints too"),
        ],
        config_dump::page,
    ),
    shows("/contention", "not supported", &[], |s, q| unavailable::contention(s, q)),
    changes("/cpuprofiler", "not supported", ENABLE, |s, q| unavailable::cpu_profiler(s, q)),
    changes(
        "/drain_listeners",
        "drain listeners",
        &[
            ("graceful", "ask clients to leave, and close listeners after the drain time"),
            ("skip_exit", "only ask clients to leave"),
            ("inboundonly", "only listeners of traffic_direction INBOUND"),
        ],
        lifecycle::drain_listeners,
    ),
    shows("/files", "files that resources come from, and the last good state", &[], |s, q| {
        files::page(s, q)
    }),
    changes("/healthcheck/fail", "cause the server to fail health checks", &[], |s, q| {
        lifecycle::fail_health_checks(s, q)
    }),
    changes("/healthcheck/ok", "cause the server to pass health checks", &[], |s, q| {
        lifecycle::pass_health_checks(s, q)
    }),
    shows("/heap_dump", "not supported", &[], |s, q| unavailable::heap_dump(s, q)),
    changes("/heapprofiler", "not supported", ENABLE, |s, q| unavailable::heap_profiler(s, q)),
    shows("/help", "print out list of admin commands", &[], |_, _| Answer::ok(commands())),
    shows("/hot_restart_version", "print that there is no hot restart", &[], |s, q| {
        unavailable::hot_restart_version(s, q)
    }),
    shows(
        "/init_dump",
        "print what the start still waits for",
        &[("mask", "the component: listener")],
        |s, q| init_dump::page(s, q),
    ),
    shows(
        "/lb",
        "how each cluster balances: asked for, in force, over which hosts, and why not others",
        &[
            CLUSTER_FILTER,
            ("cluster", "the hosts of one cluster: weights, health, expected and actual shares"),
            ("format", "of one cluster, one of (text, json)"),
            ("key", "of one cluster: the host that this key's hash picks"),
        ],
        |s, q| lb::page(s, q),
    ),
    changes(
        "/lb/reset",
        "count actual shares anew",
        &[("cluster", "of one cluster only")],
        |s, q| lb::reset(s, q),
    ),
    shows("/listeners", "print listener info", &[("format", "one of (text, json)")], |s, q| {
        listeners::page(s, q)
    }),
    changes(
        "/logging",
        "query/change logging levels",
        &[
            ("level", "change all loggers"),
            ("paths", "change several: <logger>:<level>,<logger>:<level>"),
            ("<logger>", "change one"),
        ],
        |s, q| logging::page(s, q),
    ),
    shows("/memory", "print current memory usage", &[], |s, q| memory::page(s, q)),
    shows(
        "/not_in_force",
        "fields that are set and that nothing here obeys, by resource",
        &[CLUSTER_FILTER],
        |s, q| not_in_force::page(s, q),
    ),
    changes("/quitquitquit", "exit the server", &[], |s, q| lifecycle::quit(s, q)),
    shows("/ready", "print server state, return 200 if LIVE, otherwise return 503", &[], |s, q| {
        lifecycle::ready(s, q)
    }),
    changes("/reopen_logs", "reopen access logs", &[], |s, q| lifecycle::reopen_logs(s, q)),
    changes("/reset_counters", "reset all counters to zero", &[], |s, q| {
        lifecycle::reset_counters(s, q)
    }),
    shows("/runtime", "print runtime values", &[], |s, q| runtime::page(s, q)),
    changes(
        "/runtime_modify",
        "add or modify runtime values as passed in query parameters; an empty value removes one",
        &[],
        |s, q| runtime::modify(s, q),
    ),
    shows("/server_info", "print server version/status information", &[], |s, q| {
        server_info::page(s, q)
    }),
    shows(
        "/stats",
        "print server stats",
        &[
            ("usedonly", "only what ever had a value"),
            ("filter", "regular expression that picks by full name; it may match anywhere"),
            ("invert_filter", "what the filter does not match"),
            ("type", "one of (All, Counters, Histograms, Gauges, TextReadouts)"),
            ("format", "one of (text, json, prometheus, html)"),
            ("histogram_buckets", "one of (cumulative, disjoint, detailed, summary)"),
        ],
        stats::page,
    ),
    shows(
        "/stats/prometheus",
        "print server stats in prometheus format",
        &[
            ("usedonly", "only what ever had a value"),
            ("filter", "regular expression that picks by full name; it may match anywhere"),
            ("invert_filter", "what the filter does not match"),
            ("text_readouts", "render texts as gauges of value 0"),
            ("histogram_buckets", "one of (cumulative, summary)"),
        ],
        stats::prometheus_page,
    ),
    shows("/stats/recentlookups", "names of stats are not looked up here", &[], |s, q| {
        unavailable::recent_lookups(s, q)
    }),
    changes("/stats/recentlookups/clear", "not supported", &[], |s, q| {
        unavailable::change_recent_lookups(s, q)
    }),
    changes("/stats/recentlookups/disable", "not supported", &[], |s, q| {
        unavailable::change_recent_lookups(s, q)
    }),
    changes("/stats/recentlookups/enable", "not supported", &[], |s, q| {
        unavailable::change_recent_lookups(s, q)
    }),
];

/// The text of `/help`.
pub(crate) fn commands() -> String {
    let mut text = String::from("admin commands are:\n");
    for page in PAGES {
        let post = if page.method == Allowed::Post { " (POST)" } else { "" };
        text.push_str(&format!("  {}{post}: {}\n", page.path, page.help));
        for (name, help) in page.parameters {
            text.push_str(&format!("      {name}: {help}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_help_names_every_page() {
        assert!(PAGES.is_sorted_by_key(|page| page.path));
        let help = commands();
        for page in PAGES {
            assert!(help.contains(&format!("\n  {}", page.path)), "{}", page.path);
        }
    }
}
