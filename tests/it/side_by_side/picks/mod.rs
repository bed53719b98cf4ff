//! The same hash clusters for Envoy and for us: every key has to go to the same host.

mod clusters;

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use destrier::demo::config::{bootstrap, http_manager, listener, route};
use destrier_testkit::{AnswerTo, Backend, RawConn};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::envoy::{self, Envoy};
use crate::mesh::loopback;
use crate::process::Program;

/// Clusters that are drawn.
const CLUSTERS: usize = 40;
/// Keys that are sent to each of them, over both proxies.
const KEYS: usize = 520;
/// Fixed, so that a difference comes again. The ports of the backends are the system's.
const SEED: u64 = 0x5eed_0001;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_goes_to_envoys_host() -> Result<()> {
    let Some(binary) = envoy::find_or_say("hash picks")? else { return Ok(()) };
    let names: Vec<String> = (0..clusters::MOST_HOSTS).map(|index| format!("h{index}")).collect();
    let backends: Vec<Backend> =
        names.iter().map(|name| Backend::start(name, loopback())).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = backends.iter().map(Backend::addr).collect();
    let mut random = StdRng::seed_from_u64(SEED);
    let drawn: Vec<Value> =
        (0..CLUSTERS).map(|index| clusters::draw(index, &addresses, &mut random)).collect();

    let bootstrap = hashing_bootstrap(&drawn);
    let envoy = Envoy::start(&binary, &bootstrap)?;
    let ours = Program::start(bootstrap, &[])?;
    let mut theirs = RawConn::connect(envoy.ready().await?).await?;
    let mut our = RawConn::connect(ours.ready().await?).await?;
    let (mut compared, mut differences) = (0, String::new());
    for (index, cluster) in drawn.iter().enumerate() {
        let keys: Vec<String> = (0..KEYS).map(|_| key(&mut random)).collect();
        let expected = picks(&mut theirs, index, &keys).await?;
        let seen = picks(&mut our, index, &keys).await?;
        compared += keys.len();
        let wrong = expected.iter().zip(&seen).filter(|(expected, seen)| expected != seen).count();
        if wrong > 0 {
            writeln!(differences, "{wrong} of {KEYS} keys go elsewhere with {cluster:#}")?;
        }
    }
    ensure!(compared >= 20_000, "only {compared} keys were compared");
    ensure!(differences.is_empty(), "seed {SEED:#x}:\n{differences}");
    Ok(())
}

/// One route for each cluster, hashing a header.
fn hashing_bootstrap(clusters: &[Value]) -> Value {
    let routes: Vec<Value> = clusters
        .iter()
        .filter_map(|cluster| cluster["name"].as_str())
        .map(|name| {
            let mut route = route(&format!("/{name}/"), name);
            route["route"]["hash_policy"] = json!([{ "header": { "header_name": "x-key" } }]);
            route
        })
        .collect();
    bootstrap(&[listener("http", &http_manager("ingress", &routes))], clusters)
}

/// From one to 48 letters: every length of a hash function's tail.
fn key(random: &mut StdRng) -> String {
    let length = random.random_range(1..=48);
    (0..length).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

/// Who answers each key: a backend's name, or the status of an answer that came from none.
async fn picks(connection: &mut RawConn, cluster: usize, keys: &[String]) -> Result<Vec<String>> {
    let mut picks = Vec::with_capacity(keys.len());
    for key in keys {
        let request = format!("GET /c{cluster}/ HTTP/1.1\r\nhost: demo\r\nx-key: {key}\r\n\r\n");
        connection.send(request.as_bytes()).await?;
        let answer = connection.read_response(AnswerTo::Other).await?;
        let backend = answer.head.headers.get("x-backend");
        picks.push(match backend {
            Some(name) => name.to_str().context("names are ASCII")?.to_owned(),
            None => answer.head.status.as_str().to_owned(),
        });
    }
    Ok(picks)
}
