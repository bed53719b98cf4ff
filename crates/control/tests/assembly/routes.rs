//! Routes: what they become, and what refuses them.

use std::time::Duration;

use destrier_policy::{
    AppendAction, ClusterChoice, ForwardAction, GrpcTimeout, HeaderFormat, HostRewrite, MirrorHost,
    PathRewrite, QueryMatch, Redirect, RedirectPath, RequireTls, Route, RouteAction, RouteTable,
    Share, StreamDuration,
};

use crate::listener::{TO_A, faults, hcm, hcm_text};

/// The only route of a listener.
#[track_caller]
fn one(route: &str) -> Route {
    hcm("", route).routes.virtual_hosts[0].routes[0].clone()
}

/// What a route to `a` with these fields of its action does.
#[track_caller]
fn action(fields: &str) -> ForwardAction {
    let route = one(&format!("{{ match: {{ prefix: / }}, route: {{ cluster: a, {fields} }} }}"));
    match route.action {
        RouteAction::Forward(action) => *action,
        other => panic!("it forwards: {other:?}"),
    }
}

#[track_caller]
fn redirect(fields: &str) -> Redirect {
    match one(&format!("{{ match: {{ prefix: / }}, redirect: {{ {fields} }} }}")).action {
        RouteAction::Redirect(redirect) => *redirect,
        other => panic!("it redirects: {other:?}"),
    }
}

/// A table with one route to `a`; the fields are the table's and the virtual host's.
#[track_caller]
fn table(of_table: &str, of_host: &str, of_route: &str) -> RouteTable {
    let text = table_text(of_table, of_host, of_route);
    let listener = crate::listener::translate(&text, "").expect("it is good");
    match listener.policy.filter {
        destrier_policy::ListenerFilter::Http(manager) => (*manager.routes).clone(),
        destrier_policy::ListenerFilter::Tcp(_) => panic!("it is a connection manager"),
    }
}

fn table_text(of_table: &str, of_host: &str, of_route: &str) -> String {
    hcm_text("", &format!("{{ match: {{ prefix: / }}, {of_route} route: {{ cluster: a }} }}"))
        .replace("name: v,", &format!("name: v, {of_host}"))
        .replace("name: r,", &format!("name: r, {of_table}"))
}

#[test]
fn an_action_has_envoys_defaults() {
    assert_eq!(action(""), ForwardAction::new(ClusterChoice::One("a".into())));
    assert_eq!(redirect(""), Redirect::default());
}

#[test]
fn requests_are_told_apart_by_query_and_chance() {
    let route = one(
        "{ match: { prefix: /, query_parameters: [ { name: a }, { name: b, present_match: false },
             { name: c, string_match: { prefix: x, ignore_case: true } } ],
             runtime_fraction: { default_value: { numerator: 5, denominator: TEN_THOUSAND }, runtime_key: k } },
           route: { cluster: a } }",
    );
    let [any, none, text] = &*route.matcher.query else { panic!("there are three") };
    assert_eq!(any.condition, QueryMatch::Present { wanted: true });
    assert_eq!(none.condition, QueryMatch::Present { wanted: false });
    assert!(text.matches(Some("c=Xy")) && !text.matches(Some("c=y")));
    assert_eq!(route.matcher.share, Some(Share { parts: 5, of: 10_000 }));
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let regex = r"{ pattern: { regex: '^/([^/]*)/(.*)$' }, substitution: '/\2' }";
    let Some(PathRewrite::Regex(rewrite)) = action(&format!("regex_rewrite: {regex}")).path_rewrite
    else {
        panic!("by an expression")
    };
    assert_eq!(*rewrite.apply(b"/a/b/c"), *b"/b/c");
    let literal = action("host_rewrite_literal: h, append_x_forwarded_host: true");
    assert!(matches!(&literal.host_rewrite, Some(HostRewrite::Literal(host)) if host == "h"));
    assert!(literal.append_x_forwarded_host);
    let header = action("host_rewrite_header: X-Host").host_rewrite;
    assert!(matches!(header, Some(HostRewrite::Header(name)) if name == "x-host"));
    let by_path = action(&format!("host_rewrite_path_regex: {regex}")).host_rewrite;
    assert!(matches!(by_path, Some(HostRewrite::PathRegex(_))));
    assert_eq!(action("auto_host_rewrite: false").host_rewrite, None);
}

#[test]
fn durations_of_streams_and_of_grpc() {
    let seconds = Duration::from_secs;
    let limited = action(
        "max_stream_duration: { max_stream_duration: 0s, grpc_timeout_header_max: 5s,
           grpc_timeout_header_offset: 1s }, max_grpc_timeout: 0s",
    );
    assert_eq!(
        limited.stream_duration,
        Some(StreamDuration {
            max: Some(Duration::ZERO),
            grpc: Some(GrpcTimeout { max: seconds(5), offset: seconds(1) }),
        })
    );
    let older = GrpcTimeout { max: Duration::ZERO, offset: Duration::ZERO };
    assert_eq!(limited.max_grpc_timeout, Some(older));
    assert_eq!(action("max_stream_duration: {}").stream_duration, Some(StreamDuration::default()));
    assert_eq!(action("cluster_not_found_response_code: NOT_FOUND").cluster_not_found, 404);
}

#[test]
fn a_redirect_says_what_is_another() {
    let all = redirect(
        "scheme_redirect: ftp, host_redirect: h, port_redirect: 81, path_redirect: p,
         response_code: SEE_OTHER, strip_query: true",
    );
    assert_eq!((all.status.as_u16(), all.strip_query), (303, true));
    assert_eq!((all.scheme.as_deref(), all.host.as_deref()), (Some("ftp"), Some("h")));
    assert_eq!((all.port, all.path), (Some(81), RedirectPath::Whole("/p".into())));
    let prefix = redirect("https_redirect: true, prefix_rewrite: /n");
    assert_eq!(prefix.scheme.as_deref(), Some("https"));
    assert_eq!(prefix.path, RedirectPath::Prefix("/n".into()));
    let regex = redirect("regex_rewrite: { pattern: { regex: a }, substitution: b }");
    assert!(matches!(regex.path, RedirectPath::Regex(_)));
}

/// The values that a header `x` is given, in the order in which they are.
fn values(route: &Route) -> Vec<String> {
    let mutations = route.mutations.as_ref().expect("there are some");
    let additions = mutations.request.iter().flat_map(|level| level.add.iter());
    let text = |format: &HeaderFormat| match format {
        HeaderFormat::Literal(value) => value.to_str().expect("text").to_owned(),
        HeaderFormat::Parts(_) => "made".to_owned(),
    };
    additions.map(|addition| text(&addition.value)).collect()
}

#[test]
fn headers_are_changed_at_every_level() {
    let add =
        |value| format!("request_headers_to_add: [ {{ header: {{ key: x, value: {value} }} }} ],");
    let routes = |wins: &str| {
        let of_table = format!("{wins} {}", add("table"));
        table(&of_table, &add("host"), &add("route")).virtual_hosts[0].routes[0].clone()
    };
    assert_eq!(values(&routes("")), ["route", "host", "table"]);
    let most_specific = routes("most_specific_header_mutations_wins: true,");
    assert_eq!(values(&most_specific), ["table", "host", "route"]);
    assert_eq!(one(TO_A).mutations, None);

    let route = one(r#"{ match: { prefix: / }, route: { weighted_clusters: { clusters: [
               { name: a, weight: 1, host_rewrite_literal: h, request_headers_to_remove: [ x-w ] } ] } },
             response_headers_to_remove: [ X-Gone ],
             response_headers_to_add: [
               { header: { key: a, value: "%REQ(X-Y)%" }, append_action: ADD_IF_ABSENT, keep_empty_value: true },
               { header: { key: b, value: v }, append: false },
               { header: { key: c, value: v }, append: true },
               { header: { key: d, raw_value: dg== }, append_action: OVERWRITE_IF_EXISTS } ] }"#);
    let mutations = route.mutations.expect("there are some");
    assert!(mutations.keeps_request(), "for a header that is made of it");
    let level = &mutations.response[0];
    assert_eq!(level.remove[0], "x-gone");
    let actions: Vec<_> = level.add.iter().map(|addition| addition.action).collect();
    use AppendAction as Action;
    assert_eq!(
        actions,
        [Action::AddIfAbsent, Action::Overwrite, Action::Append, Action::OverwriteIfExists]
    );
    assert!(level.add[0].keep_empty && !level.add[1].keep_empty);
    assert_eq!(level.add[1].value, level.add[3].value, "text and bytes");
    let RouteAction::Forward(action) = &route.action else { panic!("it forwards") };
    let ClusterChoice::Weighted { clusters, .. } = &action.cluster else { panic!("by weight") };
    assert_eq!(clusters[0].mutations.as_ref().expect("some").request[0].remove[0], "x-w");
    assert!(clusters[0].host_rewrite.as_ref().is_some_and(|host| host == "h"));
}

#[test]
fn mirrors_are_those_of_the_nearest_level() {
    let mirror = |cluster: &str| format!("request_mirror_policies: [ {{ cluster: {cluster} }} ],");
    let of = |of_table: &str, of_host: &str| {
        let table = table(of_table, of_host, "");
        let RouteAction::Forward(action) = &table.virtual_hosts[0].routes[0].action else {
            panic!("it forwards")
        };
        action.mirrors.iter().map(|mirror| mirror.cluster.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("", ""), [""; 0]);
    assert_eq!(of(&mirror("t"), ""), ["t"]);
    assert_eq!(of(&mirror("t"), &mirror("h")), ["h"]);
    let own = action(
        "request_mirror_policies: [
           { cluster: m, runtime_fraction: { default_value: { numerator: 3 } } },
           { cluster: other, disable_shadow_host_suffix_append: true },
           { cluster: third, host_rewrite_literal: h } ]",
    );
    let [share, kept, named] = &*own.mirrors else { panic!("there are three") };
    assert_eq!((share.share, &share.host), (Share { parts: 3, of: 100 }, &MirrorHost::Suffixed));
    assert_eq!((kept.share, &kept.host), (Share::ALL, &MirrorHost::Kept));
    assert!(matches!(&named.host, MirrorHost::Literal(host) if host == "h"));
}

#[test]
fn a_virtual_host_and_a_table_have_their_own_fields() {
    let table = table(
        "internal_only_headers: [ X-In ],",
        "require_tls: EXTERNAL_ONLY, include_request_attempt_count: true,
         include_attempt_count_in_response: true,",
        "",
    );
    assert_eq!(*table.internal_only_headers, ["x-in"]);
    let host = &table.virtual_hosts[0];
    assert_eq!(host.require_tls, RequireTls::ExternalOnly);
    assert!(host.attempt_count_in_request && host.attempt_count_in_response);
}

#[test]
fn faults_are_told_by_field() {
    let host = "~.route_config.virtual_hosts[0]";
    let route = "~.route_config.virtual_hosts[0].routes[0]";
    let add = |option: &str| format!("request_headers_to_add: [ {option} ],");
    let long = "x".repeat(4097);
    for (text, path) in [
        (
            table_text("", "", &add("{ header: { key: ':path', value: a } }")),
            format!("{route}.request_headers_to_add[0].header.key"),
        ),
        (
            table_text("", "", &add("{ header: { key: Host, value: a } }")),
            format!("{route}.request_headers_to_add[0].header.key"),
        ),
        (
            table_text("", "", &add("{ header: { key: a, value: '%NO_SUCH%' } }")),
            format!("{route}.request_headers_to_add[0].header.value"),
        ),
        (
            table_text(
                "",
                "",
                &add("{ header: { key: a }, append: true, append_action: ADD_IF_ABSENT }"),
            ),
            format!("{route}.request_headers_to_add[0].append_action"),
        ),
        (table_text("", "", &add("{}")), format!("{route}.request_headers_to_add[0].header")),
        (
            table_text("", "response_headers_to_remove: [ 'a b' ],", ""),
            format!("{host}.response_headers_to_remove[0]"),
        ),
        (
            table_text("internal_only_headers: [ 'a b' ],", "", ""),
            "~.route_config.internal_only_headers[0]".to_owned(),
        ),
        (
            table_text("", "request_mirror_policies: [ {} ],", ""),
            format!("{host}.request_mirror_policies[0].cluster"),
        ),
    ] {
        assert_eq!(faults(&text, ""), [path], "{text}");
    }
    for (text, field) in [
        ("route: { cluster: a, prefix_rewrite: x }", "route.prefix_rewrite"),
        (
            "route: { cluster: a, prefix_rewrite: /x, regex_rewrite: { pattern: { regex: a } } }",
            "route.regex_rewrite",
        ),
        (
            r"route: { cluster: a, regex_rewrite: { pattern: { regex: a }, substitution: '\1' } }",
            "route.regex_rewrite",
        ),
        ("route: { cluster: a, auto_host_rewrite: true }", "route.auto_host_rewrite"),
        ("route: { cluster: a, path_rewrite_policy: { name: x } }", "route.path_rewrite_policy"),
        ("redirect: { port_redirect: 70000 }", "redirect.port_redirect"),
        ("redirect: { host_redirect: \"a\\nb\" }", "redirect.host_redirect"),
        (
            &format!("direct_response: {{ status: 200, body: {{ inline_string: {long} }} }}"),
            "direct_response.body",
        ),
    ] {
        let text = hcm_text("", &format!("{{ match: {{ prefix: / }}, {text} }}"));
        assert_eq!(faults(&text, ""), [format!("{route}.{field}")], "{field}");
    }
    for (matcher, field) in [
        ("query_parameters: [ { name: '' } ]", "query_parameters[0].name"),
        ("query_parameters: [ { name: q, string_match: {} } ]", "query_parameters[0].string_match"),
        ("runtime_fraction: {}", "runtime_fraction"),
        ("tls_context: {}", "tls_context"),
    ] {
        let text = hcm_text(
            "",
            &format!("{{ match: {{ prefix: /, {matcher} }}, route: {{ cluster: a }} }}"),
        );
        assert_eq!(faults(&text, ""), [format!("{route}.match.{field}")], "{field}");
    }
}
