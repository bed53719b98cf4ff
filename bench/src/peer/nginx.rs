//! nginx: the same listener and backends in its own words. It speaks no HTTP/2 to backends.

use std::fmt::Write as _;
use std::path::Path;

use super::{Protocol, Setup};

/// Writing to a `String` cannot fail, hence the ignored results.
pub(super) fn configuration(setup: &Setup, folder: &Path) -> String {
    let mut upstreams = String::from("upstream used {\n");
    for port in &setup.backends {
        let _ = writeln!(upstreams, "  server 127.0.0.1:{port};");
    }
    if setup.protocol != Protocol::Tcp {
        upstreams += "  keepalive 256;\n  keepalive_requests 1000000000;\n";
    }
    upstreams += "}\n";
    for index in 0..setup.idle_clusters {
        let _ = writeln!(upstreams, "upstream idle-{index} {{");
        for endpoint in 0..10 {
            let host = format!("10.{}.{}.1", index / 250 % 250, index % 250);
            let _ = writeln!(upstreams, "  server {host}:{};", 1000 + endpoint);
        }
        upstreams += "}\n";
    }
    let port = setup.port;
    let server = match setup.protocol {
        Protocol::Tcp => format!(
            "stream {{\n{upstreams}server {{ listen 127.0.0.1:{port}; proxy_pass used; }}\n}}\n"
        ),
        Protocol::Http1 | Protocol::Http2 => {
            let http2 = if setup.protocol == Protocol::Http2 { " http2" } else { "" };
            format!(
                "http {{\naccess_log off;\nkeepalive_requests 1000000000;\n{upstreams}server {{\n  \
                 listen 127.0.0.1:{port}{http2};\n  location / {{\n    proxy_pass http://used;\n    \
                 proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    \
                 proxy_set_header X-Request-Id $request_id;\n  }}\n}}\n}}\n"
            )
        }
    };
    // The stream module is a file of its own in Debian.
    let module = match setup.protocol {
        Protocol::Tcp => "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n",
        Protocol::Http1 | Protocol::Http2 => "",
    };
    format!(
        "{module}daemon off;\nworker_processes {};\npid {}/nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections 4000; }}\n{server}",
        setup.workers,
        folder.display()
    )
}
