//! Bootstraps with bits changed: whatever still decodes is translated or refused, and nothing panics.

use destrier_control::{translate_bootstrap, translate_listener};
use destrier_envoy_json::{UnknownFields, parse_bootstrap};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message;

use crate::bootstrap::ISTIO;

/// A listener with something of everything.
const BUSY: &str = r#"
static_resources: { listeners: [ { name: in,
  address: { socket_address: { address: 127.0.0.1, port_value: 8080 } },
  filter_chains: [ { filters: [ { name: x, typed_config: {
    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
    stat_prefix: web, codec_type: HTTP2, max_request_headers_kb: 96,
    upgrade_configs: [ { upgrade_type: websocket } ],
    http_filters: [ { name: x, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } ],
    access_log: [ { name: x, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog,
      log_format: { json_format: { a: "%REQ(A?B):3%", b: "%START_TIME(%s)%" } } } } ],
    route_config: { virtual_hosts: [ { name: v, domains: [ "*.a", b ], routes: [
      { match: { safe_regex: { regex: "/a.*" }, headers: [ { name: X, string_match: { prefix: k } } ] },
        route: { weighted_clusters: { clusters: [ { name: a, weight: 1 }, { name: b, weight: 3 } ] },
          timeout: 0s, retry_policy: { retry_on: 5xx, retry_back_off: { base_interval: 1s } },
          hash_policy: [ { cookie: { name: c, ttl: 3s } } ] } },
      { match: { path: /d }, direct_response: { status: 204, body: { inline_string: x } } } ] } ] } } } ] } ] },
  { name: tcp, address: { socket_address: { address: 127.0.0.1, port_value: 8081 } },
    filter_chains: [ { filters: [ { name: x, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy,
      stat_prefix: t, cluster: a, idle_timeout: 3s } } ] } ] } ] }
"#;

#[test]
fn a_damaged_bootstrap_is_translated_or_refused() {
    let mut random = XorShift(0x9E37_79B9_7F4A_7C15);
    let (mut translated, mut refused) = (0, 0);
    for text in [ISTIO, BUSY] {
        let parsed = parse_bootstrap(&[text], UnknownFields::Reject);
        let good = parsed.map_err(|(_, why)| why.to_string()).expect("a bootstrap").message;
        assert!(translate_bootstrap(&good).is_ok());
        let good = good.encode_to_vec();
        for _ in 0..3000 {
            let mut bytes = good.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            let Ok(damaged) = Bootstrap::decode(bytes.as_slice()) else { continue };
            let is_good = translate_bootstrap(&damaged).is_ok();
            *(if is_good { &mut translated } else { &mut refused }) += 1;
            for listener in damaged.static_resources.iter().flat_map(|it| &it.listeners) {
                drop(translate_listener(listener));
            }
        }
    }
    // Otherwise the damage was too little, or too much, to say anything.
    assert!(translated > 100 && refused > 500, "{translated} translated, {refused} refused");
}

/// Marsaglia's xorshift: the same numbers every time.
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
