//! Pages of many clusters come in small pieces.

use anyhow::{Context, Result, ensure};
use destrier::demo::config::{Ads, route, static_cluster};
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::mesh::{loopback, mesh_bootstrap};

const CLUSTERS: usize = 400;

/// Pieces are sent at 16 KiB; a step that overshoots adds what one cluster or host is shown as.
const LONGEST: usize = 24 * 1024;

/// Length of the longest chunk, and of all together, of an answer in chunks.
async fn chunks(admin: std::net::SocketAddr, path: &str) -> Result<(usize, usize)> {
    let mut stream = TcpStream::connect(admin).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    ensure!(head.contains("transfer-encoding: chunked"), "{path}: {head}");
    let (mut rest, mut longest, mut all) = (&answer[end + 4..], 0, 0);
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").context("a chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?, 16)?;
        if length == 0 {
            return Ok((longest, all));
        }
        (longest, all) = (longest.max(length), all + length);
        rest = rest.get(line + 2 + length + 2..).context("a whole chunk")?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_many_clusters_is_held_as_a_whole() -> Result<()> {
    let plane = MockXds::start_local().await?;
    let mut changes = Changes::new();
    for number in 0..CLUSTERS {
        let name = format!("outbound|80||service-{number:04}.default.svc.cluster.local");
        let assignment = endpoints(&name, &[loopback(), ([127, 0, 0, 2], 80).into()]);
        changes = changes.cluster(&eds_cluster(&name)).endpoints(&assignment);
    }
    plane.apply(changes);
    let mut bootstrap = mesh_bootstrap(&plane, Ads::Delta, &[route("/", "static")])?;
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
    clusters.context("clusters")?.push(static_cluster("static", &[loopback()]));
    let agent = LocalAgent::start(&bootstrap)?;
    agent.ready().await?;
    for path in [
        "/clusters",
        "/clusters?format=json",
        "/config_dump?include_eds",
        "/config_dump?resource=dynamic_active_clusters&mask=cluster.name",
        "/stats",
        "/stats?format=json",
        "/stats?format=html",
        "/stats/prometheus",
    ] {
        let (longest, all) = chunks(agent.admin, path).await?;
        assert!(longest <= LONGEST, "{path}: a chunk of {longest} bytes");
        assert!(all > CLUSTERS * 100, "{path}: {all} bytes for {CLUSTERS} clusters");
    }
    Ok(())
}
