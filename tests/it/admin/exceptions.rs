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
        r"^[-+]/(memory/tcmalloc|peak_heap_dump|breakers|lb|lb/reset \(POST\)|not_in_force|config/timeline|files)$",
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
    (
        "changes GET /stats?usedonly&type=Counters",
        "",
        Departs("a counter that was set to zero is no longer one that was used"),
    ),
    (
        "usedonly",
        "lb_healthy_panic|pending_overflow|cx_overflow|cx_connect_fail|cx_destroy_remote|rq_(503|5xx)",
        Departs("the traffic of the test does not provoke it"),
    ),
    (
        "filter=%5Ecluster%5C.outbound%5C%7C8080%5C%7Cv1",
        "upstream_rq_(503|5xx)",
        Departs("the traffic of the test does not provoke it there"),
    ),
    ("/stats", "per_try|pending_failure_eject|rx_reset_no_error", Waits("retries and ejection")),
    ("/stats", "no_filter_chain_match", Waits("listeners and routes of the control plane")),
    ("/stats", r"http[._]async[-_]client|passthrough_", Departs("there is no such client inside")),
    (
        "/stats",
        "internal_redirect|maintenance_mode",
        Departs("Envoy's own redirects and maintenance"),
    ),
    (
        "/stats",
        "0_?rtt|early_data|preconnect_skipped|connect_attempts_exceeded",
        Departs("there is no early data, and nothing is connected in advance or a second time"),
    ),
    (
        "/stats",
        "flow_control|bytes_buffered|upstream_flush",
        Departs("what waits is bounded by buffers that are not counted"),
    ),
    ("/stats", "downstream_cx_[rt]x_bytes_total", Waits("bytes of HTTP connections")),
    (
        "/stats",
        "config_missing|route_delayed|default[._]total_match|bind_errors|socket_connect_timeout",
        Departs("of extensions and modes of Envoy that are not here"),
    ),
    (
        "/stats",
        "cx_overflow|pre_cx_|listener_filter|connections_accepted_per_socket_event|cx_drain_close",
        Departs("of listener filters and limits of listeners, which are not here"),
    ),
    (
        "/stats",
        "path_normalization|ip_detection|rs_too_large|rq_redirect|after_downstream_response_started",
        Waits("causes of answers, counted one by one"),
    ),
];
