//! Load balancers and localities as a real istiod sends them: who gets how much, and who is next when
//! hosts go. The recorded addresses 10.x.y.z are moved to 127.x.y.z.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use destrier::demo::config::route;
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::{Changes, MockXds, load_folder};
use destrier_policy::HealthStatus;
use destrier_testkit::Backend;
use destrier_upstream::Host;
use envoy_types::pb::envoy::config::core::v3::HealthStatus as EdsHealth;
use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{ClusterLoadAssignment, LbEndpoint};
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use prost::Message as _;
use serde_json::{Value, json};

use crate::mesh::{header, mesh_agent, until_live};

/// A recorded mesh on loopback: a backend at each endpoint, named by the end of its address.
struct Mesh {
    plane: MockXds,
    agent: LocalAgent,
    assignments: BTreeMap<String, ClusterLoadAssignment>,
    _backends: Vec<Backend>,
}

impl Mesh {
    /// `services` are the first labels of the hosts that are asked, each with the hash policy of its route.
    async fn start(folder: &str, services: &[(&str, Value)]) -> Result<Self> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data").join(folder);
        let plane = MockXds::start_local().await?;
        plane.apply(load_folder(&data)?);
        let mut assignments = assignments(&data.join("02-eds.pb"))?;
        assignments.retain(|name, _| services.iter().any(|(service, _)| *name == cluster(service)));
        let mut backends = Vec::new();
        for assignment in assignments.values_mut() {
            for address in move_to_loopback(assignment)? {
                let last = address.ip().to_string();
                let (_, last) = last.rsplit_once('.').context("it is IPv4")?;
                let backend = Backend::start(last, address);
                backends.push(backend.with_context(|| format!("{address} is taken"))?);
            }
            plane.apply(Changes::new().endpoints(assignment));
        }
        let routes: Vec<Value> = services
            .iter()
            .map(|(service, hash_policy)| {
                let mut route = route(&format!("/{service}/"), &cluster(service));
                route["route"]["hash_policy"] = hash_policy.clone();
                route
            })
            .collect();
        let agent = mesh_agent(&plane, &routes).await?;
        Ok(Self { plane, agent, assignments, _backends: backends })
    }

    /// How many of so many requests, one after the other, each host got.
    async fn shares(&self, service: &str, requests: usize) -> Result<BTreeMap<String, usize>> {
        let mut shares = BTreeMap::new();
        for number in 0..requests {
            let path = format!("/{service}/?q=key-{number}");
            let answer = self.agent.get(&path, &format!("x-key: key-{number}\r\n")).await?;
            let host = header(&answer, "x-backend");
            let who = if host.is_empty() { answer.head.status.as_str() } else { host };
            *shares.entry(who.to_owned()).or_default() += 1;
        }
        Ok(shares)
    }

    /// The hosts with these last numbers become unhealthy.
    async fn lose(&mut self, service: &str, hosts: &[&str]) -> Result<()> {
        let name = cluster(service);
        let assignment = self.assignments.get_mut(&name).context("the service is recorded")?;
        for endpoint in endpoints(assignment) {
            let address = socket(endpoint)?.address.clone();
            let (_, last) = address.rsplit_once('.').context("it is IPv4")?;
            if hosts.contains(&last) {
                endpoint.health_status = EdsHealth::Unhealthy.into();
            }
        }
        let count = endpoints(assignment)
            .filter(|endpoint| endpoint.health_status == i32::from(EdsHealth::Unhealthy))
            .count();
        self.plane.apply(Changes::new().endpoints(assignment));
        until_live(&self.agent, "hosts are lost", |clusters| {
            let sick = |host: &&Host| host.health() == HealthStatus::Unhealthy;
            let live = clusters.get(&name);
            live.is_some_and(|cluster| cluster.hosts().iter().filter(sick).count() == count)
        })
        .await
    }
}

fn cluster(service: &str) -> String {
    format!("outbound|80||{service}.demo.svc.cluster.local")
}

fn assignments(file: &PathBuf) -> Result<BTreeMap<String, ClusterLoadAssignment>> {
    let message = DeltaDiscoveryResponse::decode(&*std::fs::read(file)?)?;
    let resources = message.resources.into_iter();
    resources
        .map(|resource| {
            let any = resource.resource.context("a resource has a body")?;
            Ok((resource.name, ClusterLoadAssignment::decode(&*any.value)?))
        })
        .collect()
}

fn endpoints(assignment: &mut ClusterLoadAssignment) -> impl Iterator<Item = &mut LbEndpoint> {
    assignment.endpoints.iter_mut().flat_map(|locality| &mut locality.lb_endpoints)
}

fn socket(
    endpoint: &mut LbEndpoint,
) -> Result<&mut envoy_types::pb::envoy::config::core::v3::SocketAddress> {
    let Some(HostIdentifier::Endpoint(endpoint)) = &mut endpoint.host_identifier else {
        anyhow::bail!("an endpoint stands by itself");
    };
    let address = endpoint.address.as_mut().and_then(|address| address.address.as_mut());
    match address {
        Some(Address::SocketAddress(socket)) => Ok(socket),
        _ => anyhow::bail!("an endpoint has a socket address"),
    }
}

/// Changes the network of every endpoint; gives the new addresses.
fn move_to_loopback(assignment: &mut ClusterLoadAssignment) -> Result<Vec<SocketAddr>> {
    use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
    endpoints(assignment)
        .map(|endpoint| {
            let socket = socket(endpoint)?;
            let rest = socket.address.strip_prefix("10.").context("the recorded network")?;
            socket.address = format!("127.{rest}");
            let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else {
                anyhow::bail!("a port is a number");
            };
            Ok(format!("{}:{port}", socket.address).parse()?)
        })
        .collect()
}

/// Whether each host has its share but for two. `LEAST_REQUEST` looks at what is in flight, and a request may
/// still be so for a moment after its answer has been read.
fn close(seen: &BTreeMap<String, usize>, expected: &BTreeMap<String, usize>) -> bool {
    seen.keys().eq(expected.keys())
        && seen
            .values()
            .zip(expected.values())
            .all(|(seen, expected)| seen.abs_diff(*expected) <= 2)
}

/// Hosts that are lost, and who has how much then.
type Step = (&'static [&'static str], BTreeMap<String, usize>);

fn shares<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(host, count)| (host.to_owned(), count)).into()
}

/// `ROUND_ROBIN` is exact, and `LEAST_REQUEST` without load nearly so; `RANDOM` does not look at weights; a hash
/// shares by weight, as evenly as its table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_load_balancer_shares_as_its_rule_says() -> Result<()> {
    let none = json!([]);
    let by_header = json!([{ "header": { "header_name": "x-key" } }]);
    let by_query = json!([{ "query_parameter": { "name": "q" } }]);
    let weighted = ["default", "rr", "lr", "lc", "unspecified", "warm-rr", "warm-lr", "warm-old"];
    let hashed = ["header", "ring", "maglev", "maglev-default"];
    let mut services: Vec<(String, Value)> =
        weighted.iter().map(|kind| (format!("lb-{kind}"), none.clone())).collect();
    services.extend(hashed.iter().map(|kind| (format!("lb-{kind}"), by_header.clone())));
    services.push(("lb-query".into(), by_query));
    services.push(("lb-random".into(), none));
    let services: Vec<(&str, Value)> =
        services.iter().map(|(name, policy)| (&**name, policy.clone())).collect();
    let mesh = Mesh::start("load-balancers", &services).await?;

    for kind in weighted {
        let seen = mesh.shares(&format!("lb-{kind}"), 60).await?;
        let expected = shares([("1", 10), ("2", 30), ("3", 20)]);
        assert!(close(&seen, &expected), "{kind}: {seen:?}");
        // The two that are round robin and no more.
        assert!(seen == expected || !matches!(kind, "rr" | "warm-rr"), "{kind}: {seen:?}");
    }
    let random = mesh.shares("lb-random", 300).await?;
    // Far beyond six standard deviations, and far from what weights would give.
    assert!(
        random.len() == 3 && random.values().all(|count| (55..145).contains(count)),
        "{random:?}"
    );
    for kind in hashed.into_iter().chain(["query"]) {
        let service = format!("lb-{kind}");
        let seen = mesh.shares(&service, 600).await?;
        assert_eq!(mesh.shares(&service, 600).await?, seen, "{kind}: a key has one host");
        for (host, ideal) in [("1", 100_usize), ("2", 300), ("3", 200)] {
            let got = seen.get(host).copied().unwrap_or_default();
            assert!(got.abs_diff(ideal) <= 60, "{kind}: host {host} has {got}, not about {ideal}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_localities_share_and_fail_over_in_their_order() -> Result<()> {
    let none = json!([]);
    let kinds = ["none", "outlier", "off", "distribute", "failover", "failover-noout", "priority"];
    let mut services: Vec<(String, Value)> =
        kinds.iter().map(|kind| (format!("loc-{kind}"), none.clone())).collect();
    let by_header = json!([{ "header": { "header_name": "x-key" } }]);
    services.push(("loc-hash".into(), by_header));
    let services: Vec<(&str, Value)> =
        services.iter().map(|(name, policy)| (&**name, policy.clone())).collect();
    let mut mesh = Mesh::start("locality", &services).await?;

    // Without locality weights all hosts of a priority are one list, by their own weights.
    let flat = shares([("1", 20), ("2", 10), ("3", 10), ("4", 30), ("5", 10)]);
    for kind in ["none", "off", "failover-noout"] {
        let seen = mesh.shares(&format!("loc-{kind}"), 80).await?;
        assert!(close(&seen, &flat), "{kind}: {seen:?}");
    }
    // 70, 20 and 10 percent, the 70 split 2:1 and rounded up; the rest of the world gets nothing.
    let distributed = shares([("1", 47), ("2", 24), ("3", 20), ("4", 10)]);
    assert_eq!(mesh.shares("loc-distribute", 101).await?, distributed);
    // Own sub-zone, zone, region, then the others; a rule puts r3 before r2.
    let steps: [(&str, &[Step]); 4] = [
        (
            "loc-outlier",
            &[
                (&[], shares([("1", 40)])),
                (&["1"], shares([("2", 40)])),
                (&["2"], shares([("3", 40)])),
                (&["3"], shares([("4", 30), ("5", 10)])),
                (&["4"], shares([("5", 40)])),
                (&["5"], shares([("503", 40)])),
            ],
        ),
        (
            "loc-failover",
            &[
                (&[], shares([("1", 40)])),
                (&["1"], shares([("2", 40)])),
                (&["2", "3"], shares([("5", 40)])),
                (&["5"], shares([("4", 40)])),
            ],
        ),
        (
            "loc-priority",
            &[
                (&[], shares([("1", 20), ("2", 10)])),
                (&["1", "2"], shares([("3", 30)])),
                (&["3"], shares([("4", 30), ("5", 10)])),
            ],
        ),
        (
            "loc-hash",
            &[
                (&[], shares([("1", 40)])),
                (&["1"], shares([("2", 40)])),
                (&["2"], shares([("3", 40)])),
            ],
        ),
    ];
    for (service, steps) in steps {
        for (lost, expected) in steps {
            mesh.lose(service, lost).await?;
            let seen = mesh.shares(service, expected.values().sum()).await?;
            assert!(close(&seen, expected), "{service} after {lost:?}: {seen:?}");
        }
    }
    Ok(())
}
