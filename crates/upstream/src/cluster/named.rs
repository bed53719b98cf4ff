//! A host that a request names itself (`override_host`).

use std::net::SocketAddr;

use destrier_policy::{Address, ClusterPolicy};
use http::HeaderMap;

/// The host for one attempt: of the lists in the policy's headers, one after the other, each attempt
/// takes the next. What is no address is nobody's.
pub(crate) fn named_host(
    policy: &ClusterPolicy,
    headers: &HeaderMap,
    attempt: u32,
) -> Option<Address> {
    let names = policy.common_lb.override_headers.iter();
    let values = names.filter_map(|name| headers.get(&**name)?.to_str().ok());
    let listed = values.flat_map(|value| value.split(',')).nth(attempt as usize)?;
    Some(listed.trim().parse::<SocketAddr>().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{address, policy};

    #[test]
    fn each_attempt_takes_the_next() {
        let mut policy = policy("a");
        policy.common_lb.override_headers = Box::new(["x-host".into(), "x-other".into()]);
        let mut headers = HeaderMap::new();
        assert_eq!(named_host(&policy, &headers, 0), None);
        let value = |text: &str| text.parse().expect("a header value");
        headers.insert("x-host", value("127.0.0.1:1, 127.0.0.1:2,nonsense"));
        headers.insert("x-other", value("127.0.0.1:3"));
        let named: Vec<_> = (0..5).map(|attempt| named_host(&policy, &headers, attempt)).collect();
        let [one, two, three] = [1, 2, 3].map(|port| Some(address(port)));
        assert_eq!(named, [one, two, None, three, None]);
    }
}
