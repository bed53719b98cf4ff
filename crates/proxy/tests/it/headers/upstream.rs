//! The hosts of the recordings: they keep what they get, and answer by path as the recorded ones did.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;

use crate::support::{Backend, h2};

/// What a host got last: the request line of HTTP/1, and headers in order, with pseudo-headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Got {
    pub(super) line: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// Where a host puts what it gets.
#[derive(Clone, Default)]
pub(super) struct Last(Arc<Mutex<Option<Got>>>);

impl Last {
    /// What came since it was asked last.
    pub(super) fn take(&self) -> Option<Got> {
        self.0.lock().expect("nobody panics while holding it").take()
    }

    fn put(&self, got: Got) {
        *self.0.lock().expect("nobody panics while holding it") = Some(got);
    }
}

/// Over HTTP/1.
pub(super) async fn http1(last: Last) -> SocketAddr {
    let backend = Backend::start(move |mut peer| {
        let last = last.clone();
        async move {
            while let Some(request) = peer.request().await {
                let head = request.split("\r\n\r\n").next().unwrap_or_default();
                let mut lines = head.split("\r\n");
                let line = lines.next().map(str::to_owned);
                let pairs = lines.filter_map(|line| line.split_once(": "));
                let headers = pairs.map(|(name, value)| (name.into(), value.into())).collect();
                let path = line.as_deref().and_then(|line| line.split(' ').nth(1));
                let answer = answer(path.unwrap_or_default());
                last.put(Got { line, headers });
                peer.send(answer).await;
            }
        }
    });
    backend.await.address
}

fn answer(path: &str) -> String {
    let with = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
    };
    match path.split('?').next().unwrap_or_default() {
        "/own-headers" => with(
            "200 OK",
            "server: mine\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-envoy-upstream-service-time: 7\r\n\
             x-request-id: from-upstream\r\nvia: 1.1 up\r\n",
            "",
        ),
        "/no-date" => with("200 OK", "", ""),
        "/status/404" => with("404 Not Found", "x-upstream: yes\r\n", "upstream body\n"),
        "/close-header" => with("200 OK", "connection: close\r\n", "bye\n"),
        path if path.starts_with("/echo") => with("200 OK", "content-type: text/plain\r\n", "echo"),
        _ => with("200 OK", "", "ok\n"),
    }
}

/// Over HTTP/2. These gave no headers of their own.
pub(super) async fn http2(last: Last) -> SocketAddr {
    h2::backend(move |(request, mut respond)| {
        let last = last.clone();
        async move {
            let (head, mut body) = request.into_parts();
            let mut headers = vec![
                (":method".to_owned(), head.method.to_string()),
                (":scheme".to_owned(), head.uri.scheme_str().unwrap_or_default().to_owned()),
                (
                    ":authority".to_owned(),
                    head.uri.authority().map(ToString::to_string).unwrap_or_default(),
                ),
                (
                    ":path".to_owned(),
                    head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                ),
            ];
            headers.extend(head.headers.iter().map(|(name, value)| {
                (name.to_string(), value.to_str().expect("headers are text").to_owned())
            }));
            last.put(Got { line: None, headers });
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
            }
            let (status, text) = match head.uri.path() {
                "/status/404" => (404, "upstream body\n"),
                path if path.starts_with("/echo") => (200, "echo"),
                _ => (200, "ok\n"),
            };
            let response = Response::builder().status(status).body(()).expect("valid");
            let mut send = respond.send_response(response, false).expect("the stream is open");
            let _ = send.send_data(Bytes::from_static(text.as_bytes()), true);
        }
    })
    .await
}
