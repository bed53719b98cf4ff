//! The hash by which a request or a connection keeps to its host (`RouteAction.hash_policy`,
//! `TcpProxy.hash_policy`, and those of a cluster's balancing policy).
//!
//! Pure: what the client sent, where it is and a random number give a hash and the cookies to set. All is
//! hashed as Envoy does it, so that both send a client to the same host.

mod cookie;
mod header;
#[cfg(test)]
mod recorded;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use destrier_balance::hash_bytes;
use destrier_policy::{HashPolicy, HashSource, LbPolicy, MetadataMatch};
use http::{HeaderValue, Request};

/// What decides which host a request or a connection gets, besides the balance of all. The default wants
/// nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Affinity<'a> {
    /// The subset that is asked for (`metadata_match`).
    pub metadata: Option<&'a MetadataMatch>,
    /// Of the route or the TCP proxy. Those of the cluster's balancing policy outrank them.
    pub hash_policies: &'a [HashPolicy],
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Where the client's connection was to go before it was redirected here, if it was (ORIGINAL_DST).
    pub original_destination: Option<SocketAddr>,
}

impl Affinity<'_> {
    /// Hashes a request, where the cluster picks by hashes: elsewhere no cookie is made either, as in
    /// Envoy.
    pub(crate) fn hash<B>(
        self,
        policy: &LbPolicy,
        request: Option<&Request<B>>,
        random: impl FnOnce() -> u64,
    ) -> Hashed {
        let policies = match policy {
            LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. } => match policy.hash_policies() {
                [] => self.hash_policies,
                own => own,
            },
            _ => &[],
        };
        if policies.is_empty() {
            return Hashed::default();
        }
        hash(policies, request, self.client, random())
    }
}

/// What the policies of a list made of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hashed {
    /// `None` when no policy gave one.
    pub(crate) hash: Option<u64>,
    /// Values of `set-cookie` for the answer.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// Hashes a request; a connection without requests has none. All cookies that are made have the value
/// `random`, as all that Envoy makes for one request have one value.
fn hash<B>(
    policies: &[HashPolicy],
    request: Option<&Request<B>>,
    client: Option<IpAddr>,
    random: u64,
) -> Hashed {
    let mut hashed = Hashed::default();
    for policy in policies {
        let new = match (&policy.source, request) {
            (HashSource::SourceIp, _) => client.map(hash_address),
            (HashSource::Header { name, rewrite }, Some(request)) => {
                header::hash(request, name, rewrite.as_ref())
            }
            (HashSource::QueryParameter { name }, Some(request)) => {
                let query = request.uri().query().unwrap_or_default();
                parameter(query, name).map(|value| hash_bytes(value.as_bytes()))
            }
            (HashSource::Cookie { name, made }, Some(request)) => {
                match (cookie::find(request.headers(), name), made) {
                    (Some(value), _) => Some(hash_bytes(value)),
                    (None, Some(made)) => {
                        let value = cookie::value(random);
                        hashed.cookies.extend(cookie::set(name, made, &value));
                        Some(hash_bytes(&value))
                    }
                    (None, None) => None,
                }
            }
            (HashSource::FilterState, _) | (_, None) => None,
        };
        hashed.hash = match (hashed.hash, new) {
            // The rotation keeps the same policy twice from cancelling itself out.
            (Some(old), Some(new)) => Some(old.rotate_left(1) ^ new),
            (old, new) => old.or(new),
        };
        if policy.terminal && hashed.hash.is_some() {
            break;
        }
    }
    hashed
}

/// As a text, without the port.
fn hash_address(address: IpAddr) -> u64 {
    /// Of the longest, an IPv4 address within an IPv6 one.
    const LONGEST: usize = 45;
    let mut text = [0; LONGEST];
    let mut rest = &mut text[..];
    let written = write!(rest, "{address}");
    debug_assert!(written.is_ok(), "{address} is longer than {LONGEST} bytes");
    let length = LONGEST - rest.len();
    hash_bytes(&text[..length])
}

/// The first of this name, as it stands there: nothing is decoded. One without `=` has an empty value.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = query.split('&').filter(|part| !part.is_empty());
    parameters.find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hashed_as_text() {
        let hash = |text: &str| hash_address(text.parse().expect("an address"));
        assert_eq!(hash("127.0.0.1"), 13874206750357698471);
        let longest = "2001:db8:1111:2222:3333:4444:5555:6666";
        assert_eq!(hash(longest), hash_bytes(longest.as_bytes()));
        assert_eq!(hash("::ffff:192.168.100.200"), hash_bytes(b"::ffff:192.168.100.200"));
    }

    #[test]
    fn the_first_parameter_of_a_name_counts_undecoded() {
        for (query, value) in [
            ("u=bob", Some("bob")),
            ("a=1&u=x%20y&u=z", Some("x%20y")),
            ("u=a=b", Some("a=b")),
            ("u", Some("")),
            ("u=&u=1", Some("")),
            ("&&u=1", Some("1")),
            ("U=1&xu=2", None),
            ("", None),
        ] {
            assert_eq!(parameter(query, "u"), value, "{query}");
        }
    }

    #[test]
    fn a_connection_has_its_address_alone() {
        let policy = |source| HashPolicy { source, terminal: false };
        let parameter = HashSource::QueryParameter { name: "u".into() };
        let policies = [policy(parameter), policy(HashSource::SourceIp)];
        let client = Some(IpAddr::from([127, 0, 0, 1]));
        let hashed = hash::<()>(&policies, None, client, 1);
        assert_eq!(hashed, Hashed { hash: Some(13874206750357698471), cookies: vec![] });
        assert_eq!(hash::<()>(&policies, None, None, 1), Hashed::default());
    }
}
