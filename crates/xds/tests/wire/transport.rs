//! What the driver adds to the session: sockets, headers, limits.

use std::time::Duration;

use destrier_mock_xds::{Behaviour, Changes, Headers, Listen, MockXds, Script};
use destrier_xds::{ControlPlane, DriverConfig, Keepalive, StreamError, Variant};
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
    let driver = DriverConfig {
        keepalive: Keepalive { interval: ping, timeout: ping },
        ..DriverConfig::new(ControlPlane::Tcp { host: at.ip().to_string(), port: at.port() })
    };
    let mock = local(Behaviour::istiod()).await;
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    let lost = |error: &StreamError| !matches!(error, StreamError::Connect(_));
    plane.until_error("a connection without pings", lost).await;
    accepting.abort();
}
