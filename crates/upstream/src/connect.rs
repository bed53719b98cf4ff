//! Opening sockets to hosts.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;

use destrier_policy::{Address, ClusterPolicy, TcpKeepalive};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::{ForwardError, Stream};

/// Connects by the options of the policy: source address, keepalive. The time allowed is the caller's.
///
/// # Errors
/// What the system says.
pub(crate) async fn connect(address: &Address, policy: &ClusterPolicy) -> io::Result<Stream> {
    match address {
        Address::Ip(ip) => connect_tcp(*ip, policy).await.map(Stream::Tcp),
        Address::Pipe(path) => {
            let name = path.as_os_str().as_encoded_bytes();
            let stream = match name.strip_prefix(b"@") {
                Some(name) => {
                    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
                    stream.set_nonblocking(true)?;
                    UnixStream::from_std(stream)?
                }
                None => UnixStream::connect(path).await?,
            };
            Ok(Stream::Unix(stream))
        }
    }
}

async fn connect_tcp(address: SocketAddr, policy: &ClusterPolicy) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    if let Some(keepalive) = &policy.tcp_keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&keepalive_options(keepalive))?;
    }
    if let Some(bind) = &policy.bind {
        socket.bind(bind.source)?;
    }
    socket.connect(address).await
}

fn keepalive_options(keepalive: &TcpKeepalive) -> socket2::TcpKeepalive {
    let mut options = socket2::TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        options = options.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        options = options.with_interval(interval);
    }
    if let Some(probes) = keepalive.probes {
        options = options.with_retries(probes);
    }
    options
}

/// A failure in Envoy's spelling: `delayed_connect_error:_Connection_refused`; a Unix socket fails at
/// once.
pub(crate) fn failed(address: &Address, error: &io::Error) -> ForwardError {
    let when = match address {
        Address::Ip(_) => "delayed",
        Address::Pipe(_) => "immediate",
    };
    let text = error.to_string();
    // The number that Rust adds to the system's words.
    let words = text.split(" (os error").next().unwrap_or(&text).replace(' ', "_");
    ForwardError::ConnectFailed(format!("{when}_connect_error:_{words}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use destrier_policy::{BindConfig, ClusterName};

    use super::*;

    fn policy() -> ClusterPolicy {
        ClusterPolicy::new(ClusterName::from("test"))
    }

    #[tokio::test]
    async fn source_address_and_keepalive_are_those_of_the_policy() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let mut policy = policy();
        policy.bind = Some(BindConfig { source: SocketAddr::from(([127, 0, 0, 2], 0)) });
        let time = Some(Duration::from_secs(7));
        policy.tcp_keepalive = Some(TcpKeepalive { probes: Some(3), time, interval: None });
        let stream = connect(&Address::Ip(address), &policy).await.expect("it listens");
        let Stream::Tcp(socket) = &stream else { panic!("it is TCP") };
        let options = SockRef::from(socket);
        assert!(options.keepalive().expect("readable"));
        assert_eq!(options.tcp_keepalive_time().expect("readable"), Duration::from_secs(7));
        assert_eq!(options.tcp_keepalive_retries().expect("readable"), 3);
        let (_, peer) = listener.accept().await.expect("it connected");
        assert_eq!(peer.ip().to_string(), "127.0.0.2");
        assert_eq!(stream.local_address(), Some(peer));
    }

    #[tokio::test]
    async fn unix_sockets_by_path_and_by_abstract_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let _listener = tokio::net::UnixListener::bind(&path).expect("it can be bound");
        let pipe = |path: &Path| Address::Pipe(path.into());
        connect(&pipe(&path), &policy()).await.expect("it listens");

        let name = format!("destrier-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("short");
        let _listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("it is free");
        connect(&pipe(Path::new(&format!("@{name}"))), &policy()).await.expect("it listens");

        let missing = pipe(&directory.path().join("missing"));
        let error = connect(&missing, &policy()).await.expect_err("nobody listens");
        let wanted = "immediate_connect_error:_No_such_file_or_directory".to_owned();
        assert_eq!(failed(&missing, &error), ForwardError::ConnectFailed(wanted));
    }

    #[test]
    fn failures_are_spelled_as_envoy_does() {
        let address = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 1)));
        let refused = io::Error::from_raw_os_error(111);
        let wanted = "delayed_connect_error:_Connection_refused".to_owned();
        assert_eq!(failed(&address, &refused), ForwardError::ConnectFailed(wanted));
    }
}
