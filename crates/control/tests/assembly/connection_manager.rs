//! What becomes of a connection manager's own fields.

use std::time::Duration;

use destrier_control::{Rejection, TranslatedListener, translate_listener};
use destrier_envoy_json::{UnknownFields, parse_bootstrap};
use destrier_policy::{
    AccessLogFilter, Cidr, Comparison, ComparisonOp, EscapedSlashes, ForwardClientCert, HcmPolicy,
    HeaderCase, HostForm, ListenerFilter, PathForm, Scheme, ServerHeader, StripPort,
};

/// A connection manager with further fields, in YAML.
fn translate(fields: &str) -> Result<TranslatedListener, Vec<Rejection>> {
    with_router(fields, "")
}

fn with_router(fields: &str, router: &str) -> Result<TranslatedListener, Vec<Rejection>> {
    let text = format!(
        r#"{{ static_resources: {{ listeners: [ {{
          name: in, address: {{ socket_address: {{ address: 127.0.0.1, port_value: 8080 }} }},
          filter_chains: [ {{ filters: [ {{ name: x, typed_config: {{
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
            stat_prefix: web, {fields}
            route_config: {{ virtual_hosts: [] }},
            http_filters: [ {{ name: r, typed_config: {{
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, {router}
            }} }} ] }} }} ] }} ] }} ] }} }}"#
    );
    let parsed = parse_bootstrap(&[&text], UnknownFields::Reject);
    let bootstrap = parsed.map_err(|(_, error)| error.to_string()).expect("a bootstrap").message;
    translate_listener(&bootstrap.static_resources.expect("it is there").listeners[0])
}

#[track_caller]
fn manager(fields: &str) -> HcmPolicy {
    policy(translate(fields))
}

#[track_caller]
fn policy(translated: Result<TranslatedListener, Vec<Rejection>>) -> HcmPolicy {
    match translated.expect("it is good").policy.filter {
        ListenerFilter::Http(manager) => (*manager).clone(),
        ListenerFilter::Tcp(_) => panic!("it is a connection manager"),
    }
}

#[test]
fn who_the_client_is() {
    let found = manager(
        "use_remote_address: true, xff_num_trusted_hops: 2, skip_xff_append: true,
         append_x_forwarded_port: true, add_user_agent: true, generate_request_id: false,
         preserve_external_request_id: true, always_set_request_id_in_response: true,
         forward_client_cert_details: ALWAYS_FORWARD_ONLY,
         request_id_extension: { typed_config: {
           \"@type\": type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig } },
         internal_address_config: { unix_sockets: true, cidr_ranges: [
           { address_prefix: 10.0.0.0, prefix_len: 8 }, { address_prefix: \"fd00::\", prefix_len: 7 } ] },",
    );
    assert!(found.use_remote_address && found.skip_xff_append && found.append_x_forwarded_port);
    assert_eq!(found.xff_num_trusted_hops, 2);
    assert!(found.add_user_agent && !found.generate_request_id);
    assert!(found.preserve_external_request_id && found.always_set_request_id_in_response);
    assert_eq!(found.forward_client_cert, ForwardClientCert::AlwaysForwardOnly);
    assert!(found.internal_addresses.unix_sockets);
    let range = |address: &str, length| Cidr::new(address.parse().expect("an address"), length);
    let ranges = [range("10.0.0.0", 8), range("fd00::", 7)].map(|range| range.expect("it fits"));
    assert_eq!(*found.internal_addresses.ranges, ranges);
    for details in ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET"] {
        let found = manager(&format!("forward_client_cert_details: {details},"));
        assert_eq!(found.forward_client_cert, ForwardClientCert::Sanitize, "{details}");
    }
    let found = manager(
        "original_ip_detection_extensions: [ { name: x, typed_config: {
           \"@type\": type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig,
           xff_num_trusted_hops: 3 } } ],",
    );
    assert_eq!(found.xff_num_trusted_hops, 3);
}

#[test]
fn what_it_says_of_itself() {
    let found = manager(
        "server_name: me, via: it, server_header_transformation: APPEND_IF_ABSENT,
         scheme_header_transformation: { scheme_to_overwrite: https }, proxy_100_continue: true,",
    );
    assert_eq!((&*found.server_name, found.via.as_deref()), ("me", Some("it")));
    assert_eq!(
        (found.server_header, found.scheme),
        (ServerHeader::AppendIfAbsent, Some(Scheme::Https))
    );
    assert!(found.proxy_100_continue);
    let found = manager("server_header_transformation: PASS_THROUGH,");
    assert_eq!(found.server_header, ServerHeader::PassThrough);
    let found = policy(with_router("", "suppress_envoy_headers: true"));
    assert!(found.suppress_envoy_headers);
}

#[test]
fn paths_and_hosts() {
    let found = manager("normalize_path: true, merge_slashes: true,");
    let form = PathForm { normalize: true, merge_slashes: true, ..PathForm::default() };
    assert_eq!(found.path, form);
    for (name, action) in [
        ("IMPLEMENTATION_SPECIFIC_DEFAULT", EscapedSlashes::KeepUnchanged),
        ("KEEP_UNCHANGED", EscapedSlashes::KeepUnchanged),
        ("REJECT_REQUEST", EscapedSlashes::RejectRequest),
        ("UNESCAPE_AND_REDIRECT", EscapedSlashes::UnescapeAndRedirect),
        ("UNESCAPE_AND_FORWARD", EscapedSlashes::UnescapeAndForward),
    ] {
        let found = manager(&format!("path_with_escaped_slashes_action: {name},"));
        assert_eq!(found.path.escaped_slashes, action, "{name}");
    }
    for (fields, strip_trailing_dot, strip_port) in [
        ("strip_any_host_port: true,", false, StripPort::Any),
        ("strip_any_host_port: false,", false, StripPort::Never),
        ("strip_matching_host_port: true,", false, StripPort::Matching),
        ("strip_trailing_host_dot: true,", true, StripPort::Never),
    ] {
        assert_eq!(manager(fields).host, HostForm { strip_trailing_dot, strip_port }, "{fields}");
    }
}

#[test]
fn limits() {
    let found = manager(
        "delayed_close_timeout: 0s, common_http_protocol_options: { idle_timeout: 0s,
           max_connection_duration: 4s, max_stream_duration: 5s, max_requests_per_connection: 6 },
         http_protocol_options: { accept_http_10: true, default_host_for_http_10: old.example,
           header_key_format: { proper_case_words: {} } },",
    );
    assert_eq!((found.delayed_close_timeout, found.idle_timeout), (None, None));
    assert_eq!(found.max_connection_duration, Some(Duration::from_secs(4)));
    assert_eq!(found.max_stream_duration, Some(Duration::from_secs(5)));
    assert_eq!(found.max_requests_per_connection, Some(6));
    assert_eq!(found.http1.default_host_for_http_10.as_deref(), Some("old.example"));
    assert_eq!(found.http1.header_case, HeaderCase::ProperWords);
    let zero = "common_http_protocol_options: { max_requests_per_connection: 0 },";
    assert_eq!(manager(zero).max_requests_per_connection, None);
}

#[test]
fn local_replies() {
    let found = manager(
        r#"local_reply_config: {
             mappers: [ { filter: { status_code_filter: { comparison: {
                 op: GE, value: { default_value: 500, runtime_key: x } } } },
               status_code: 599, body: { inline_string: sorry },
               headers_to_add: [ { header: { key: X-A, value: "%RESPONSE_FLAGS%" } } ],
               body_format_override: { json_format: { m: "%LOCAL_REPLY_BODY%" } } } ],
             body_format: { text_format_source: { inline_string: "%LOCAL_REPLY_BODY%!" },
               content_type: text/html } },"#,
    )
    .local_replies;
    let [mapper] = &*found.mappers else { panic!("there is one") };
    let comparison = Comparison { operation: ComparisonOp::AtLeast, value: 500 };
    assert_eq!(mapper.filter, AccessLogFilter::StatusCode(comparison));
    assert_eq!(mapper.status.map(|status| status.as_u16()), Some(599));
    assert_eq!(mapper.body.as_deref(), Some(&b"sorry"[..]));
    assert_eq!(mapper.headers.add[0].name, "x-a");
    assert!(mapper.body_format.is_some());
    let format = found.body_format.expect("it is set");
    assert_eq!(format.content_type.as_deref(), Some("text/html"));
}

#[test]
fn what_is_refused_names_its_field() {
    let xff = "typed_config: { \"@type\": type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";
    for (fields, path) in [
        ("server_name: \"a\\nb\",", "server_name"),
        ("via: \"a\\nb\",", "via"),
        (
            "scheme_header_transformation: { scheme_to_overwrite: ftp },",
            "scheme_header_transformation.scheme_to_overwrite",
        ),
        (
            "internal_address_config: { cidr_ranges: [ { address_prefix: a } ] },",
            "internal_address_config.cidr_ranges[0]",
        ),
        (
            "internal_address_config: { cidr_ranges: [ { address_prefix: 10.0.0.0, prefix_len: 33 } ] },",
            "internal_address_config.cidr_ranges[0]",
        ),
        ("strip_any_host_port: true, strip_matching_host_port: true,", "strip_any_host_port"),
        (
            &format!(
                "use_remote_address: true, original_ip_detection_extensions: [ {{ {xff} }} }} ],"
            ),
            "original_ip_detection_extensions",
        ),
        (
            &format!(
                "original_ip_detection_extensions: [ {{ {xff}, skip_xff_append: false }} }} ],"
            ),
            "original_ip_detection_extensions[0].typed_config",
        ),
        ("delayed_close_timeout: -1s,", "delayed_close_timeout"),
        ("local_reply_config: { mappers: [ {} ] },", "local_reply_config.mappers[0].filter"),
        (
            "local_reply_config: { mappers: [ { filter: { not_health_check_filter: {} }, status_code: 100 } ] },",
            "local_reply_config.mappers[0].status_code",
        ),
        (
            "common_http_protocol_options: { max_stream_duration: -1s },",
            "common_http_protocol_options.max_stream_duration",
        ),
        ("forward_proto_config: { https_destination_ports: [ 443 ] },", "forward_proto_config"),
        (
            "request_id_extension: { typed_config: { \"@type\": type.googleapis.com/google.protobuf.Empty } },",
            "request_id_extension.typed_config",
        ),
    ] {
        let rejections = translate(fields).expect_err(fields);
        let paths: Vec<_> = rejections.iter().map(|one| one.field_path.as_str()).collect();
        let wanted = format!("filter_chains[0].filters[0].typed_config.{path}");
        assert_eq!(paths, [wanted], "{fields}");
    }
}
