//! What of Envoy's admin interface is not here, and why. A line that excuses nothing fails the test.

/// Why something is not as recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// It comes with this.
    Waits(&'static str),
    /// It stays as it is.
    Departs(&'static str),
}

use Why::{Departs, Waits};

/// Whole answers, by the end of `<phase> <method> <path>`.
pub(crate) const PAGES: &[(&str, Why)] = &[
    ("GET /heap_dump", Departs("there is no heap profiler")),
    ("POST /stats/recentlookups/enable", Departs("statistics are not looked up by name")),
    ("POST /stats/recentlookups/clear", Departs("statistics are not looked up by name")),
    ("POST /stats/recentlookups/disable", Departs("statistics are not looked up by name")),
];

/// Keys, by a part of `<phase> <method> <path>` and a pattern over the key, which begins with `-` where
/// we lack it and with `+` where Envoy does. The first that matches counts.
pub(crate) const KEYS: &[(&str, &str, Why)] = &[
    (
        "initializing GET /ready",
        "text",
        Departs("static clusters are ready at once, so the start begins a stage later"),
    ),
    (
        "/server_info",
        r"^-\.(command_line_options|node\.extensions)",
        Departs("no such flag, or a list of Envoy's extensions"),
    ),
    (
        "/server_info",
        r"^-\.node\.",
        Departs("the node is shown as it was configured: Envoy adds what it is itself"),
    ),
    (
        "/init_dump",
        "",
        Departs(
            "what is waited for is named cluster by cluster; listeners of the bootstrap wait for nothing",
        ),
    ),
    ("/clusters", "outlier|failed_outlier_check|success_rate", Waits("outlier detection")),
    (
        "/clusters",
        "^-host rq_pending_active$",
        Departs("what waits is counted for the cluster, not for each host"),
    ),
    (
        "initializing GET /clusters",
        "eds_service_name",
        Departs("a cluster that warms is shown by /lb"),
    ),
    (
        "live GET /clusters",
        "",
        Departs("the stream to the control plane is not counted for its cluster"),
    ),
    (
        "/listeners",
        "",
        Departs(
            "one without a name is called by its address, not by a random name; listeners are those of the bootstrap",
        ),
    ),
    (
        "/config_dump",
        r"api_config_source|path_config_source|\.ads|resource_api_version",
        Departs("the test serves over ADS what was read from files"),
    ),
    (
        "/config_dump",
        "dynamic_listeners|DynamicListener|dynamic_route_configs|DynamicRouteConfig|StaticRouteConfig|static_listeners|StaticListener|static_route_configs",
        Waits("listeners and routes of the control plane: they stand in the bootstrap here"),
    ),
    (
        "/config_dump",
        r"<(BootstrapConfigDump|ClustersConfigDump|ListenersConfigDump)>\.(bootstrap|static|version_info)",
        Departs("the bootstrap of the test has ADS and more listeners"),
    ),
    (
        "/config_dump",
        "_endpoint_configs|EndpointConfig",
        Departs(
            "assignments are shown as they came, with version and time, and static ones as they were written",
        ),
    ),
    (
        "/config_dump?resource=dynamic_warming_clusters",
        "",
        Departs("other clusters warm at that moment"),
    ),
    ("error_state", r"^\+", Departs("each refused resource shows why it was refused")),
    (
        "mask=nope",
        "text",
        Departs("the text of Envoy has an unstable mark of the protobuf library"),
    ),
    ("name_regex=%5B", "text", Departs("the regular expression engine words it otherwise")),
    ("filter=%5B", "Invalid", Departs("the regular expression engine words it otherwise")),
    ("/certs", "", Waits("TLS")),
    ("format=nope", "text", Departs("there is no format active-html")),
    ("/memory", "pageheap|total_thread_cache", Departs("there is no tcmalloc")),
    ("/contention", "text", Departs("there is no mutex tracing to enable")),
    (
        "",
        r"^[-+]/(memory/tcmalloc|peak_heap_dump|breakers|lb|lb/reset \(POST\)|not_in_force)$",
        Departs("there is no tcmalloc, and pages of ours are listed too"),
    ),
    ("/stats/recentlookups", "text", Departs("statistics are not looked up by name")),
    (
        "/logging",
        "^[-+]  ",
        Departs(
            "only loggers that have a counterpart are known, and the test starts at another level",
        ),
    ),
    ("initializing GET /stats?usedonly", r"^\+", Departs("gauges are shown from the start")),
    ("/stats", "ssl|tls", Waits("TLS")),
    ("/stats", "outlier_detection", Waits("outlier detection")),
    ("/stats", "retry", Waits("retries")),
    (
        "/stats",
        "lds|rds|listener_manager|(^-# TYPE )?vhost",
        Waits("listeners and routes of the control plane"),
    ),
    ("/stats", "zone[._]z1", Waits("statistics by zone")),
    (
        "/stats",
        r"http[._]admin|listener[._](admin|\*\.admin)|main_thread|worker_0|admin\.",
        Departs("the admin port and single threads are not counted"),
    ),
    (
        "/stats",
        "server[._]|main_thread|workers|runtime|filesystem|dns|^-envoy_(main|server)|wasm|access_logs|tracing|overload|thread_local",
        Departs("figures of Envoy's own process"),
    ),
    ("/stats", "http2|http1|http3|quic", Waits("counters of the codecs")),
    (
        "/stats",
        "per_cx|update_duration|external.upstream_rq_time|external_upstream_rq_time|zone",
        Departs("histograms that nobody asked for yet"),
    ),
    (
        "/stats",
        "cluster_manager",
        Departs("updates are not merged in a window, and versions are shown as text"),
    ),
    (
        "/stats",
        "[Cc]luster.*(update_|version|control_plane|assignment|init_fetch|config_reload|warming)",
        Departs("one stream serves all clusters: updates are counted for the stream"),
    ),
    ("/stats", r"^\+", Departs("gauges that Envoy shows once set, and statistics of ours")),
    ("/stats", "circuit_breakers|pool_overflow", Departs("pools are not limited")),
    ("/stats", "[Cc]luster", Waits("statistics of clusters that nothing counts yet")),
    ("/stats", "[Hh]ttp|listener|tcp", Waits("statistics of listeners that nothing counts yet")),
];
