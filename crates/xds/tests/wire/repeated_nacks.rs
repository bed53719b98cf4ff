//! 6.2: the same bad content again and again, from a server like go-control-plane.

use std::time::Duration;

use destrier_mock_xds::{Behaviour, Changes, Purpose};
use destrier_xds::{SessionConfig, TypeUrl, Variant};

use crate::{
    plane::{BOTH, Plane, SOON, config, driver_config, local},
    resources::{Response, eds, refused},
};

#[tokio::test]
async fn c028_the_same_fault_again_is_refused_again_but_not_told_again() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        plane.exchange(&Response::cds("v1", "n1", [refused(eds("a"))]), 1).await;
        let again = Response::cds("v1", "n2", [refused(eds("a"))]);
        let nack = plane.exchange(&again, 1).await.remove(0);
        assert_eq!(nack.nonce, "n2");
        assert!(nack.error.is_some());
        plane.until("judged once", |it| it.updates.len() == 1).await;
        assert_eq!(plane.status.load().types[&TypeUrl::CLUSTER].update_rejected, 2);
    }
}

#[tokio::test]
async fn c029_a_server_that_answers_each_nack_at_once_is_slowed_down() {
    let mock = local(Behaviour::go_control_plane()).await;
    mock.apply(Changes::new().cluster(&refused(eds("a"))));
    let (first, later) = (Duration::from_millis(200), Duration::from_millis(500));
    let session = SessionConfig {
        repeated_nack_first: first,
        repeated_nack_max: later,
        ..config(Variant::Sotw)
    };
    let driver = driver_config(&mock);
    let plane = Plane::start(mock, driver, session);
    let cds = TypeUrl::CLUSTER;
    let nacks = plane.mock.wait_for("four NACKs", SOON, |all| {
        let nacks = all.iter().filter(|it| it.is(cds.as_str(), Purpose::Nack));
        let at: Vec<_> = nacks.map(|it| it.at).collect();
        (at.len() >= 4).then_some(at)
    });
    let at = nacks.await.unwrap_or_else(|error| panic!("{error}"));
    // Each answer waits for the NACK before it, so these hold however late the requests are read.
    assert!(at[2] - at[0] >= later && at[3] - at[1] >= later, "{at:?}");

    plane.mock.apply(Changes::new().cluster(&eds("a")));
    plane.until("the repaired one", |it| it.names() == ["a"]).await;
}
