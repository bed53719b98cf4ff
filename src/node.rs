//! Who this node is, as requests are told.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use destrier_control::BootstrapPlan;
use destrier_proxy::NodeIdentity;

/// `node.id`, `node.cluster` and the machine's address.
pub(crate) fn identity(plan: &BootstrapPlan) -> NodeIdentity {
    let node = plan.node.as_ref();
    NodeIdentity {
        id: node.map_or("", |node| &node.id).into(),
        cluster: node.map_or("", |node| &node.cluster).into(),
        address: own_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

/// The address that the machine has towards others; none where it has no way out.
fn own_address() -> Option<IpAddr> {
    // Connecting a datagram socket chooses an address and sends nothing; nobody has the other one
    // (RFC 5737).
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
