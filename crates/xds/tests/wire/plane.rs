//! A driver that runs against a control plane on a loopback socket.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use destrier_mock_xds::{Behaviour, Listen, MockXds, Recorded, Script};
use destrier_xds::{
    Backoff, ControlPlane, Driver, DriverConfig, Event, Reply, SessionConfig, StatusHandle,
    StreamError, TypeUrl, Variant,
};
use envoy_types::pb::envoy::config::core::v3::Node;
use prost::Message;
use tokio::task::JoinHandle;

use crate::{request::Request, resources::Response, store::Store};

pub(crate) const BOTH: [Variant; 2] = [Variant::Delta, Variant::Sotw];

/// Bound of every wait: far above what any of them takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const ID: &str = "sidecar~10.0.0.1~web.ns~ns.svc";

/// A control plane and a client.
pub(crate) struct Plane {
    pub(crate) mock: MockXds,
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) status: StatusHandle,
    variant: Variant,
    /// Requests that a test has looked at.
    seen: usize,
    markers: usize,
    /// What is repeated as a marker.
    last_clusters: Option<Response>,
    errors: Arc<Mutex<Vec<StreamError>>>,
    running: JoinHandle<()>,
}

/// Delays that suit a test: the order of events is what counts here, the lengths are checked on
/// virtual time.
pub(crate) fn config(variant: Variant) -> SessionConfig {
    let node = Node { id: ID.into(), ..Node::default() };
    let backoff = Backoff {
        base: Duration::from_millis(5),
        max: Duration::from_millis(50),
        quick: Duration::from_millis(5),
        ..Backoff::default()
    };
    SessionConfig { variant, backoff, ..SessionConfig::new(node.encode_to_vec()) }
}

/// A server that only says what the test tells it to.
pub(crate) fn silent() -> Script {
    Script::new().never_answer(TypeUrl::CLUSTER.as_str()).never_answer(TypeUrl::ENDPOINTS.as_str())
}

pub(crate) async fn local(behaviour: Behaviour) -> MockXds {
    let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
    MockXds::start_like(behaviour, listen).await.expect("a free port of the loopback")
}

pub(crate) fn driver_config(mock: &MockXds) -> DriverConfig {
    DriverConfig::new(match mock.listen() {
        Listen::Tcp(at) => ControlPlane::Tcp { host: at.ip().to_string(), port: at.port() },
        Listen::Unix(path) => ControlPlane::Unix(path.clone()),
    })
}

impl Plane {
    /// A silent server whose client has asked for clusters; that request was looked at.
    pub(crate) async fn open(variant: Variant) -> Self {
        let mut plane = Self::unread(config(variant)).await;
        plane.requests(1).await;
        plane
    }

    /// A silent server, nothing looked at yet.
    pub(crate) async fn unread(config: SessionConfig) -> Self {
        let mock = local(Behaviour::istiod()).await;
        mock.set_script(silent());
        let driver = driver_config(&mock);
        Self::start(mock, driver, config)
    }

    pub(crate) fn start(mock: MockXds, driver: DriverConfig, session: SessionConfig) -> Self {
        let variant = session.variant;
        let driver = Driver::new(driver, session, 7);
        driver.subscriptions().subscribe_wildcard(TypeUrl::CLUSTER);
        let status = driver.status();
        let store = Arc::new(Mutex::new(Store::default()));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let handler = {
            let (store, errors) = (Arc::clone(&store), Arc::clone(&errors));
            move |event| match event {
                Event::Update(it) => store.lock().expect("no panic while held").handle_update(it),
                Event::Disconnected(error) => {
                    errors.lock().expect("no panic while held").push(error);
                    Reply::default()
                }
                _ => Reply::default(),
            }
        };
        Self {
            mock,
            store,
            status,
            variant,
            seen: 0,
            markers: 0,
            last_clusters: None,
            errors,
            running: tokio::spawn(driver.run(handler)),
        }
    }

    /// Sends exactly this response on the open stream.
    pub(crate) fn send(&mut self, response: &Response) {
        if response.type_url == TypeUrl::CLUSTER {
            self.last_clusters = Some(response.clone());
        }
        let streams = self.mock.send_bytes(response.encode(self.variant));
        assert_eq!(streams, 1, "one stream is open");
    }

    /// The next so many requests that were not looked at yet.
    pub(crate) async fn requests(&mut self, count: usize) -> Vec<Request> {
        let (from, to) = (self.seen, self.seen + count);
        let enough = |all: &[Recorded]| (all.len() >= to).then(|| all[from..to].to_vec());
        let new = self.mock.wait_for("requests", SOON, enough).await;
        self.seen = to;
        new.unwrap_or_else(|error| panic!("{error}")).iter().map(read).collect()
    }

    /// Sends a response and returns the next so many requests.
    pub(crate) async fn exchange(&mut self, response: &Response, count: usize) -> Vec<Request> {
        self.send(response);
        self.requests(count).await
    }

    /// Checks that nothing was sent but what the test has looked at.
    pub(crate) async fn quiet(&mut self) {
        self.markers += 1;
        let nonce = format!("marker{}", self.markers);
        // Equal bytes are acknowledged and do nothing else, in either variant.
        let marker = match (&self.last_clusters, self.variant) {
            (Some(last), Variant::Sotw) => Response { nonce, ..last.clone() },
            _ => Response::cds("", &nonce, []),
        };
        self.send(&marker);
        let requests = self.requests(1).await;
        assert!(requests[0].is_ack(&marker.nonce), "more than expected: {requests:?}");
    }

    /// Ends the stream and waits for the first so many requests of the next one.
    pub(crate) async fn reconnect(&mut self, count: usize) -> Vec<Request> {
        self.mock.close_streams(tonic::Status::unavailable("age"));
        self.requests(count).await
    }

    /// Waits until what is in force is as wanted.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Store) -> bool) {
        self.wait(what, || is_so(&self.store.lock().expect("no panic while held"))).await;
    }

    /// Waits until a stream ended for a reason as wanted.
    pub(crate) async fn until_error(&self, what: &str, is_it: impl Fn(&StreamError) -> bool) {
        let any = || self.errors.lock().expect("no panic while held").iter().any(&is_it);
        self.wait(what, any).await;
    }

    pub(crate) async fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = tokio::time::Instant::now() + SOON;
        while !is_so() {
            assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn clusters(&self) -> Vec<String> {
        self.store.lock().expect("no panic while held").clusters.keys().cloned().collect()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn read(recorded: &Recorded) -> Request {
    match &recorded.request {
        destrier_mock_xds::Request::Delta(it) => {
            Request::decode(it.encode_to_vec().into(), Variant::Delta)
        }
        destrier_mock_xds::Request::Sotw(it) => {
            Request::decode(it.encode_to_vec().into(), Variant::Sotw)
        }
    }
}
