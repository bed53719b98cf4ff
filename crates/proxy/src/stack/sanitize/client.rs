//! Who the client is: the address that it connects from, or the one that `x-forwarded-for` says where a
//! proxy of ours is believed (Envoy: `ConnectionManagerUtility::mutateRequestHeaders`).

use std::net::IpAddr;

use destrier_policy::{Address, HcmPolicy};
use http::HeaderMap;

use super::forwarded::X_FORWARDED_FOR;

/// Whom a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The address that `x-forwarded-for` says; `None` is the peer's.
    pub(super) named: Option<IpAddr>,
    /// Whether it is one of ours.
    pub(super) standing: Standing,
}

/// How far what a client says is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may say how its request is to be treated.
    Internal,
    /// It comes through a proxy or application of ours.
    External,
    /// It connects to the edge of the mesh.
    Stranger,
}

/// Finds out whom a request is from. Only one that went through no proxy can be internal.
pub(super) fn identify(policy: &HcmPolicy, peer: &Address, headers: &HeaderMap) -> Client {
    let internal = &policy.internal_addresses;
    let hops = policy.xff_num_trusted_hops as usize;
    let (named, is_internal) = if policy.use_remote_address {
        // The last hop is the peer, which connects to us.
        let named = hops.checked_sub(1).and_then(|skip| forwarded_for(headers).nth(skip)?);
        let is_internal = !headers.contains_key(X_FORWARDED_FOR)
            && match (named, peer) {
                (Some(address), _) => internal.contains(address),
                (None, Address::Ip(peer)) => internal.contains(peer.ip()),
                (None, Address::Pipe(_)) => internal.unix_sockets,
            };
        (named, is_internal)
    } else {
        let mut addresses = forwarded_for(headers);
        let named = addresses.nth(hops).flatten();
        let alone = hops == 0 && addresses.next().is_none();
        (named, alone && named.is_some_and(|address| internal.contains(address)))
    };
    let standing = match (is_internal, policy.use_remote_address) {
        (true, _) => Standing::Internal,
        (false, true) => Standing::Stranger,
        (false, false) => Standing::External,
    };
    Client { named, standing }
}

/// What `x-forwarded-for` lists, the last first; `None` for what is not an address.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lists = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let all = lists.flat_map(|list| list.as_bytes().rsplit(|byte| *byte == b','));
    all.map(|text| std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use destrier_policy::{Cidr, RouteTable};
    use http::HeaderValue;

    use super::*;

    fn policy(change: impl FnOnce(&mut HcmPolicy)) -> HcmPolicy {
        let mut policy = HcmPolicy::new("p".into(), Arc::new(RouteTable::default()));
        change(&mut policy);
        policy
    }

    fn client(policy: &HcmPolicy, forwarded: &[&'static str]) -> Client {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(list));
        }
        identify(policy, &Address::Ip(([127, 0, 0, 1], 9).into()), &headers)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn trusted_hops_are_skipped() {
        let edge = policy(|policy| {
            policy.use_remote_address = true;
            policy.xff_num_trusted_hops = 2;
        });
        for (forwarded, named) in [
            (&[][..], None),
            (&["1.1.1.1"], None),
            (&["1.1.1.1,2.2.2.2"], ip("1.1.1.1")),
            (&["1.1.1.1, 2.2.2.2 , 3.3.3.3"], ip("2.2.2.2")),
            (&["x, 2.2.2.2"], None),
            (&["2001:db8::1, 3.3.3.3"], ip("2001:db8::1")),
            (&["1.1.1.1:99, 2.2.2.2"], None),
            (&["[::1], 2.2.2.2"], None),
            (&["1.1.1.1", "2.2.2.2"], ip("1.1.1.1")),
        ] {
            let found = client(&edge, forwarded);
            assert_eq!(found, Client { named, standing: Standing::Stranger }, "{forwarded:?}");
        }
        let inside = policy(|policy| policy.xff_num_trusted_hops = 1);
        assert_eq!(client(&inside, &["1.1.1.1, 2.2.2.2"]).named, ip("1.1.1.1"));
        assert_eq!(client(&inside, &["1.1.1.1"]).named, None);
    }

    #[test]
    fn only_a_single_address_is_internal() {
        let ranges = [("10.0.0.0", 8), ("127.0.0.0", 8)]
            .map(|(network, length)| Cidr::new(network.parse().expect("an address"), length));
        let internal = |policy: &mut HcmPolicy| {
            policy.internal_addresses.ranges = ranges.into_iter().flatten().collect();
        };
        let inside = policy(internal);
        for (forwarded, standing) in [
            (&[][..], Standing::External),
            (&["10.0.0.1"], Standing::Internal),
            (&["8.8.8.8"], Standing::External),
            (&["8.8.8.8, 10.0.0.1"], Standing::External),
            (&["10.0.0.1", "10.0.0.2"], Standing::External),
        ] {
            assert_eq!(client(&inside, forwarded).standing, standing, "{forwarded:?}");
        }
        let edge = policy(|policy| {
            internal(policy);
            policy.use_remote_address = true;
        });
        assert_eq!(client(&edge, &[]).standing, Standing::Internal);
        assert_eq!(client(&edge, &["10.0.0.1"]).standing, Standing::Stranger);
        let pipe = Address::Pipe(std::path::Path::new("/s").into());
        let mut edge = edge;
        assert_eq!(identify(&edge, &pipe, &HeaderMap::new()).standing, Standing::Stranger);
        edge.internal_addresses.unix_sockets = true;
        assert_eq!(identify(&edge, &pipe, &HeaderMap::new()).standing, Standing::Internal);
    }
}
