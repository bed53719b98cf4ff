//! The sockets of the admin port, and the way of a request to its page.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response, StatusCode, Uri};
use axum::routing::any;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::csds;
use crate::pages::{Allowed, PAGES, Page, commands};
use crate::query::Query;
use crate::sources::Sources;

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
            router.route(page.path, any(move |state, method, uri| shown(page, state, method, uri)))
        })
        .fallback(any(unknown));
    let csds = csds::service(Arc::clone(&sources));
    let router = csds::METHODS
        .iter()
        .fold(router, |router, method| router.route_service(method, csds.clone()))
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
    uri: Uri,
) -> Response<Body> {
    if page.method == Allowed::Post && method != Method::POST {
        let text = format!("Method {method} not allowed, POST required.");
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, text).into_response();
    }
    (page.handler)(&sources, &Query::parse(uri.query())).into_response()
}

async fn unknown() -> Response<Body> {
    let text = format!("invalid path. {}", commands());
    Answer::text(StatusCode::NOT_FOUND, text).into_response()
}
