//! The backends behind the events.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use destrier::demo::config::static_cluster;
use destrier_testkit::{Backend, RawConn, RawPeer, refusing};
use serde_json::{Value, json};

use super::cases::{Case, Peer};
use crate::mesh::loopback;

/// One peer for each event that has one.
pub(super) struct Peers {
    backends: BTreeMap<String, Backend>,
    scripts: BTreeMap<String, RawPeer>,
    refusing: SocketAddr,
}

impl Peers {
    pub(super) fn start(cases: &[(Value, Case)]) -> Result<Self> {
        let (mut backends, mut scripts) = (BTreeMap::new(), BTreeMap::new());
        for (recorded, case) in cases {
            let name = recorded["event"].as_str().context("an event has a name")?.to_owned();
            match case.peer {
                Peer::Backend(set) => {
                    let backend = Backend::start(&name, loopback())?;
                    backend.update(set);
                    backends.insert(name, backend);
                }
                Peer::Script(script) => {
                    let peer = RawPeer::start(loopback(), move |conn| run(conn, script))?;
                    scripts.insert(name, peer);
                }
                Peer::None | Peer::Refusing | Peer::Unhealthy => {}
            }
        }
        Ok(Self { backends, scripts, refusing: refusing()? })
    }

    pub(super) fn backend(&self, event: &str) -> Result<&Backend> {
        self.backends.get(event).context("the event has a backend")
    }

    /// The cluster of an event, before what was recorded of its configuration.
    pub(super) fn cluster(&self, event: &str, case: &Case) -> Result<Value> {
        let address = match case.peer {
            Peer::Backend(_) => Some(self.backend(event)?.addr()),
            Peer::Script(_) => Some(self.scripts.get(event).context("a script")?.addr()),
            Peer::Refusing | Peer::Unhealthy => Some(self.refusing),
            Peer::None => None,
        };
        let mut cluster = static_cluster(event, address.as_slice());
        if let Peer::Unhealthy = case.peer {
            let endpoints = &mut cluster["load_assignment"]["endpoints"];
            endpoints[0]["lb_endpoints"][0]["health_status"] = "UNHEALTHY".into();
        }
        if event == "drop-overload" {
            cluster["load_assignment"]["policy"] = json!({ "drop_overloads": [{
                "category": "lb", "drop_percentage": { "numerator": 100 },
            }] });
        }
        Ok(cluster)
    }
}

/// What a raw peer does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Closes at once.
    CloseOnAccept,
    /// Reads a head, sends this, and closes.
    Answer(&'static [u8]),
    /// The same, and resets.
    AnswerAndReset(&'static [u8]),
    /// The same, and leaves the connection open.
    AnswerAndStay(&'static [u8]),
    /// So many headers of so many bytes.
    Headers(usize, usize),
    /// HTTP/2: reads the head of the first stream, sends frames of this type, flags, stream and payload,
    /// and leaves the connection open.
    Frames(&'static [Frame]),
    /// The same, and closes.
    FramesAndClose(&'static [Frame]),
}

/// Type, flags, stream, payload.
pub(super) type Frame = (u8, u8, u32, &'static [u8]);

async fn run(mut conn: RawConn, script: Script) -> io::Result<()> {
    match script {
        Script::CloseOnAccept => return Ok(()),
        Script::Answer(bytes) => {
            conn.read_head().await?;
            conn.send(bytes).await?;
            return Ok(());
        }
        Script::AnswerAndReset(bytes) => {
            conn.read_head().await?;
            conn.send(bytes).await?;
            // What was sent has to arrive before the reset takes it away.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            conn.reset();
            return Ok(());
        }
        Script::AnswerAndStay(bytes) => {
            conn.read_head().await?;
            conn.send(bytes).await?;
        }
        Script::Headers(count, length) => {
            conn.read_head().await?;
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            for number in 0..count {
                head.extend(format!("h{number}: {}\r\n", "x".repeat(length)).bytes());
            }
            head.extend(b"content-length: 0\r\n\r\n");
            // It is cut off when the peer has seen enough.
            let _ = conn.send(&head).await;
        }
        Script::Frames(frames) => send_frames(&mut conn, frames).await?,
        Script::FramesAndClose(frames) => return send_frames(&mut conn, frames).await,
    }
    let _ = conn.read_to_end().await;
    Ok(())
}

/// After the first HEADERS of the peer.
async fn send_frames(conn: &mut RawConn, frames: &[Frame]) -> io::Result<()> {
    const HEADERS: u8 = 1;
    conn.read_exact(24).await?;
    conn.send(&encoded((4, 0, 0, b""))).await?;
    loop {
        let head = conn.read_exact(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        conn.read_exact(length as usize).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    for frame in frames {
        conn.send(&encoded(*frame)).await?;
    }
    Ok(())
}

fn encoded((kind, flags, stream, payload): Frame) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
