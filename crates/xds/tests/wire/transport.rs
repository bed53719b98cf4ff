//! What the driver adds to the session: sockets, headers, limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use destrier_mock_xds::{Behaviour, Changes, Headers, Listen, MockXds, Script};
use destrier_xds::{
    ControlPlane, Credentials, DriverConfig, Keepalive, Server, StreamError, Variant,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tonic::{Code, Status};

use crate::{
    plane::{BOTH, Plane, config, driver_config, local},
    resources::{Response, assignment, eds},
};

#[tokio::test]
async fn c011_requests_do_not_wait_for_the_headers_of_the_answer() {
    for variant in BOTH {
        let mock = local(Behaviour::istiod()).await;
        mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
        mock.set_script(Script::new().headers(Headers::AfterFirstRequest));
        let driver = driver_config(&mock);
        let plane = Plane::start(mock, driver, config(variant));
        plane.until("endpoints", |it| it.assignments.len() == 1).await;
    }
}

#[tokio::test]
async fn c012_a_server_without_delta_is_spoken_to_in_the_other_way() {
    let mock = local(Behaviour::istiod()).await;
    mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
    let no_delta = Status::unimplemented("unknown method DeltaAggregatedResources");
    let delta = Some(destrier_mock_xds::Variant::Delta);
    mock.set_script(Script::new().refuse(delta, no_delta));
    let driver = driver_config(&mock);
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    plane.until("endpoints", |it| it.assignments.len() == 1).await;
    assert_eq!(plane.mock.streams_opened(), 2);
    assert_eq!(plane.status.load().variant, Variant::Sotw);
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let folder = std::env::temp_dir().join(format!("destrier-xds-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the socket");
    let listen = Listen::Unix(folder.join("XDS"));
    let mock = MockXds::start(listen).await.expect("a socket in a fresh folder");
    mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
    let driver = driver_config(&mock);
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    plane.until("endpoints", |it| it.assignments.len() == 1).await;
    drop(plane);
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

#[tokio::test]
async fn v04_a_message_above_tonics_own_limit_is_read() {
    let mut plane = Plane::open(Variant::Delta).await;
    // 300 clusters of 40 kB: 12 MB, three times what tonic takes by default.
    let mut large = Response::cds("v1", "n1", []);
    for i in 0..300 {
        let mut cluster = eds(&format!("c{i}"));
        cluster.alt_stat_name = "x".repeat(40_000);
        large = large.resource(&cluster.name, "", prost::Message::encode_to_vec(&cluster));
    }
    let requests = plane.exchange(&large, 2).await;
    assert!(requests[0].is_ack("n1"));
    assert_eq!(requests[1].names.len(), 300);
}

#[tokio::test]
async fn v05_a_message_above_the_limit_ends_the_stream_and_keeps_what_is_held() {
    let mock = local(Behaviour::istiod()).await;
    mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
    let driver = DriverConfig { max_message_bytes: 64 * 1024, ..driver_config(&mock) };
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    plane.until("endpoints", |it| it.assignments.len() == 1).await;

    let mut huge = eds("huge");
    huge.alt_stat_name = "x".repeat(70_000);
    plane.mock.apply(Changes::new().cluster(&huge));
    let too_large =
        |error: &StreamError| matches!(error, StreamError::Status { code: Code::OutOfRange, .. });
    plane.until_error("a message that is too large", too_large).await;
    assert_eq!(plane.clusters(), ["a"]);
    plane.mock.apply(Changes::new().remove_cluster("huge").cluster(&eds("b")));
    plane.until("b", |it| it.names() == ["a", "b"]).await;
}

#[tokio::test]
async fn c086_a_connection_that_says_nothing_is_given_up() {
    // It accepts, and that is all: as half-open as a loopback socket can be.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = silent.local_addr().expect("a bound address");
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            held.push(socket);
        }
    });
    let ping = Duration::from_millis(50);
    let to = ControlPlane::Tcp { host: at.ip().to_string(), port: at.port() };
    let keepalive = Keepalive { interval: ping, timeout: ping };
    let driver = DriverConfig::of(vec![Server { keepalive, ..Server::new(to) }]);
    let mock = local(Behaviour::istiod()).await;
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    let lost = |error: &StreamError| !matches!(error, StreamError::Connect(_));
    plane.until_error("a connection without pings", lost).await;
    accepting.abort();
}

/// Says who we are by a number that is new each time.
#[derive(Debug, Default)]
struct Numbered(AtomicUsize);

impl Credentials for Numbered {
    fn headers(&self) -> Result<HeaderMap, String> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Err("token (/nowhere): No such file".into()),
            count => Ok(HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from(count))])),
        }
    }
}

#[tokio::test]
async fn c083_credentials_are_read_again_before_each_attempt() {
    let mock = local(Behaviour::istiod()).await;
    mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
    mock.set_script(Script::new().refuse(None, Status::unauthenticated("an old token")));
    let credentials = Arc::new(Numbered::default());
    let mut driver = driver_config(&mock);
    driver.servers[0].credentials = Some(Arc::clone(&credentials) as Arc<dyn Credentials>);
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    let missing = |error: &StreamError| error.to_string().contains("credentials: token (/nowhere)");
    plane.until_error("a file that is not there", missing).await;
    let refused = |error: &StreamError| {
        matches!(error, StreamError::Status { code: Code::Unauthenticated, .. })
    };
    plane.until_error("a refused token", refused).await;
    plane.mock.set_script(Script::new());
    plane.until("endpoints", |it| it.assignments.len() == 1).await;
    let attempts = plane.status.load().disconnects as usize + 1;
    assert_eq!(credentials.0.load(Ordering::SeqCst), attempts);
}

#[tokio::test]
async fn c192_c195_the_next_server_serves_until_the_first_is_back() {
    for variant in BOTH {
        let (first, second) = (local(Behaviour::istiod()).await, local(Behaviour::istiod()).await);
        first.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
        let own = Changes::new().cluster(&eds("a")).cluster(&eds("second"));
        second.apply(own.endpoints(&assignment("a", 1)).endpoints(&assignment("second", 1)));
        first.stop().await;
        let mut driver = driver_config(&first);
        driver.servers.extend(driver_config(&second).servers);
        let plane = Plane::start(first, driver, config(variant));
        plane.until("the second server", |it| it.assignments.len() == 2).await;
        assert_eq!(plane.status.load().server, 1);

        plane.mock.restart().await.expect("its port is still free");
        plane.until("the first server", |it| it.names() == ["a"]).await;
        assert_eq!(plane.status.load().server, 0);
        let closed = async {
            while !second.streams().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(crate::plane::SOON, closed).await.expect("the second is left alone");
    }
}
