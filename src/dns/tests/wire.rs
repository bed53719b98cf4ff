//! The resolver of the agent against a small DNS server on loopback.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::*;

/// Answers by the first label of a name: `two`, `none`, `missing` (NXDOMAIN), `broken` (SERVFAIL).
async fn serve(socket: UdpSocket) {
    let mut buffer = [0; 512];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.expect("loopback receives");
        let answer = answer(&buffer[..length]);
        socket.send_to(&answer, peer).await.expect("loopback sends");
    }
}

fn answer(query: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    let end = HEADER + query[HEADER..].iter().position(|&byte| byte == 0).expect("a name") + 5;
    let label = &query[HEADER + 1..][..usize::from(query[HEADER])];
    let wants_v4 = query[end - 3] == 1;
    let (code, addresses): (u8, &[u8]) = match label {
        b"two" if wants_v4 => (0, &[1, 2]),
        b"missing" => (3, &[]),
        b"broken" => (2, &[]),
        _ => (0, &[]),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    answer.extend(&query[HEADER..end]);
    for (last, ttl) in addresses.iter().zip([30, 20]) {
        // The name of the question, A, IN, the TTL, 10.0.0.x.
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 10, 0, 0, *last]);
    }
    answer
}

async fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has a port");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(serve(socket));
    address
}

async fn ask(name: &str, family: Family) -> Result<Found, String> {
    let addresses = Box::from([server().await]);
    let servers = DnsServers { addresses, tcp_only: false, search_domains: false };
    System.look_up(name, family, &servers).await
}

#[tokio::test]
async fn addresses_come_with_their_least_ttl() {
    let found = ask("two.test", Family::V4).await.expect("there is an answer");
    let addresses: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
    assert_eq!(found.addresses, addresses);
    assert_eq!(found.ttl, Some(Duration::from_secs(20)));
}

#[tokio::test]
async fn a_name_without_addresses_is_told_from_a_server_without_an_answer() {
    assert_eq!(ask("two.test", Family::V6).await, Ok(Found::default()));
    assert_eq!(ask("none.test", Family::V4).await, Ok(Found::default()));
    assert_eq!(ask("missing.test", Family::V4).await, Ok(Found::default()));
    ask("broken.test", Family::V4).await.expect_err("SERVFAIL is no answer");
}

#[tokio::test]
async fn what_stands_in_the_hosts_file_is_asked_of_nobody() {
    let nobody = Box::from([SocketAddr::from(([127, 0, 0, 1], 1))]);
    let servers = DnsServers { addresses: nobody, tcp_only: false, search_domains: false };
    let found = look_up(&System, "localhost", DnsFamily::V4Preferred, &servers).await;
    let found = found.expect("every machine knows it");
    assert!(found.addresses.iter().all(IpAddr::is_loopback) && !found.addresses.is_empty());
}
