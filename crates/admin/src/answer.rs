//! The table of paths, and what every answer has in common.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query as Parameters, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::routing::any;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::query::Query;
use crate::sources::Sources;
use crate::{
    breakers, clusters, config_dump, lb, listeners, memory, not_in_force, server_info, stats,
};

/// What a path does.
struct Page {
    path: &'static str,
    help: &'static str,
    method: Allowed,
    handler: fn(&Sources, &Query) -> Answer,
}

/// Which methods a page answers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// It only shows: any method, as in Envoy.
    Any,
    /// It changes something.
    Post,
}

/// Every path, in the order of `/help`.
const PAGES: &[Page] = &[
    Page {
        path: "/breakers",
        help: "limits of each cluster, what is in use, and what was refused",
        method: Allowed::Any,
        handler: breakers::page,
    },
    Page {
        path: "/clusters",
        help: "upstream cluster status",
        method: Allowed::Any,
        handler: clusters::page,
    },
    Page {
        path: "/config_dump",
        help: "dump current configs (resource, include_eds)",
        method: Allowed::Any,
        handler: config_dump::page,
    },
    Page {
        path: "/help",
        help: "print out list of admin commands",
        method: Allowed::Any,
        handler: help,
    },
    Page {
        path: "/lb",
        help: "how each cluster balances: asked for, in force, over which hosts, and why not others",
        method: Allowed::Any,
        handler: lb::page,
    },
    Page {
        path: "/listeners",
        help: "print listener info",
        method: Allowed::Any,
        handler: listeners::page,
    },
    Page {
        path: "/memory",
        help: "print current memory usage",
        method: Allowed::Any,
        handler: memory::page,
    },
    Page {
        path: "/not_in_force",
        help: "fields that are set and that nothing here obeys, by resource",
        method: Allowed::Any,
        handler: not_in_force::page,
    },
    Page { path: "/quitquitquit", help: "exit the server", method: Allowed::Post, handler: quit },
    Page {
        path: "/ready",
        help: "print server state, return 200 if LIVE, otherwise return 503",
        method: Allowed::Any,
        handler: ready,
    },
    Page {
        path: "/server_info",
        help: "print server version/status information",
        method: Allowed::Any,
        handler: server_info::page,
    },
    Page {
        path: "/stats",
        help: "print server stats (filter, usedonly, type, format)",
        method: Allowed::Any,
        handler: stats::page,
    },
    Page {
        path: "/stats/prometheus",
        help: "print server stats in prometheus format",
        method: Allowed::Any,
        handler: stats::prometheus_page,
    },
];

/// A socket of the admin port.
#[derive(Debug)]
pub enum AdminListener {
    /// `admin.address.socket_address`.
    Tcp(TcpListener),
    /// `admin.address.pipe`.
    Unix(UnixListener),
}

/// Answers admin requests until `end`; those under way are finished.
///
/// # Errors
/// The socket can no longer accept.
pub async fn serve(
    listener: AdminListener,
    sources: Arc<Sources>,
    end: CancellationToken,
) -> io::Result<()> {
    let router = PAGES
        .iter()
        .fold(Router::new(), |router, page| {
            router.route(
                page.path,
                any(move |state, method, query| shown(page, state, method, query)),
            )
        })
        .fallback(any(unknown))
        .with_state(sources);
    let ended = async move { end.cancelled().await };
    match listener {
        AdminListener::Tcp(listener) => {
            axum::serve(listener, router).with_graceful_shutdown(ended).await
        }
        AdminListener::Unix(listener) => {
            axum::serve(listener, router).with_graceful_shutdown(ended).await
        }
    }
}

async fn shown(
    page: &'static Page,
    State(sources): State<Arc<Sources>>,
    method: Method,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response<Body> {
    if page.method == Allowed::Post && method != Method::POST {
        let text = format!("Method {method} not allowed, POST required.");
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, text).into_response();
    }
    (page.handler)(&sources, &Query::new(parameters)).into_response()
}

async fn unknown(_: Uri) -> Response<Body> {
    let text = format!("invalid path. {}", commands());
    Answer::text(StatusCode::NOT_FOUND, text).into_response()
}

/// An answer before it is HTTP.
pub(crate) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Answer {
    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=UTF-8", body: body.into() }
    }

    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::text(StatusCode::OK, body)
    }

    pub(crate) fn bad_request(body: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, body)
    }

    /// Indented by one space a level, with a line feed at the end, as Envoy prints it.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        let mut body = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut writer = serde_json::Serializer::with_formatter(&mut body, indent);
        serde::Serialize::serialize(value, &mut writer)
            .expect("a JSON value can be written to memory");
        body.push(b'\n');
        let body = String::from_utf8(body).expect("JSON is UTF-8");
        Self { status: StatusCode::OK, content_type: "application/json", body }
    }

    /// On one line: what is read by programs only.
    pub(crate) fn compact_json(value: &serde_json::Value) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: value.to_string() }
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::SERVER, HeaderValue::from_static("envoy"));
        response
    }
}

fn commands() -> String {
    let mut text = String::from("admin commands are:\n");
    for page in PAGES {
        let post = if page.method == Allowed::Post { " (POST)" } else { "" };
        text.push_str(&format!("  {}{post}: {}\n", page.path, page.help));
    }
    text
}

fn help(_: &Sources, _: &Query) -> Answer {
    Answer::ok(commands())
}

fn ready(sources: &Sources, _: &Query) -> Answer {
    let stage = sources.state.get();
    let status = match stage {
        crate::Stage::Live => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::text(status, format!("{}\n", stage.name()))
}

fn quit(sources: &Sources, _: &Query) -> Answer {
    sources.quit.cancel();
    Answer::ok("OK\n")
}
