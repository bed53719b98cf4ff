//! HAProxy: the same listener and backends in its own words.

use std::fmt::Write as _;

use super::{Protocol, Setup};

/// Writing to a `String` cannot fail, hence the ignored results.
pub(super) fn configuration(setup: &Setup) -> String {
    let (mode, proto) = match setup.protocol {
        Protocol::Http1 => ("http", ""),
        Protocol::Http2 => ("http", " proto h2"),
        Protocol::Tcp => ("tcp", ""),
    };
    let mut text = format!(
        "global\n  nbthread {}\n  maxconn 4000\ndefaults\n  mode {mode}\n  timeout connect 1s\n  \
         timeout client 60s\n  timeout server 60s\n",
        setup.workers
    );
    if mode == "http" {
        text += "  option http-keep-alive\n  http-reuse always\n";
    }
    let _ = write!(
        text,
        "frontend bench\n  bind 127.0.0.1:{}{proto}\n  default_backend used\n",
        setup.port
    );
    if mode == "http" {
        text += "  unique-id-format %[uuid]\n  unique-id-header x-request-id\n";
    }
    text += "backend used\n  balance roundrobin\n";
    for (index, port) in setup.backends.iter().enumerate() {
        let _ = writeln!(text, "  server b{index} 127.0.0.1:{port}{proto} observe layer4");
    }
    for index in 0..setup.idle_clusters {
        let _ = write!(text, "backend idle-{index}\n  balance roundrobin\n");
        for endpoint in 0..10 {
            let host = format!("10.{}.{}.1", index / 250 % 250, index % 250);
            let _ = writeln!(text, "  server b{endpoint} {host}:{}", 1000 + endpoint);
        }
    }
    text
}
