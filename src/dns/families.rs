//! `dns_lookup_family`: which addresses of a name are asked for, and which count.

use std::net::IpAddr;
use std::time::Duration;

use destrier_policy::{DnsFamily, DnsServers};

/// Whom names are asked of.
pub(crate) trait Resolve: Send + Sync + 'static {
    /// The addresses of a name in one family. That it has none is an answer as well; an error is why
    /// there is no answer.
    fn look_up(
        &self,
        name: &str,
        family: Family,
        servers: &DnsServers,
    ) -> impl Future<Output = Result<Found, String>> + Send;
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `A` records.
    V4,
    /// `AAAA` records.
    V6,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Each once, in the order of the answer.
    pub(crate) addresses: Vec<IpAddr>,
    /// The least of the records. `None` when there is none, as in `/etc/hosts`.
    pub(crate) ttl: Option<Duration>,
}

/// What counts of the addresses of a name.
pub(super) async fn look_up(
    asked: &impl Resolve,
    name: &str,
    family: DnsFamily,
    servers: &DnsServers,
) -> Result<Found, String> {
    let ask = |family| asked.look_up(name, family, servers);
    let mut found = match family {
        DnsFamily::V4Only => ask(Family::V4).await,
        DnsFamily::V6Only => ask(Family::V6).await,
        DnsFamily::Auto => match ask(Family::V6).await {
            Ok(found) if !found.addresses.is_empty() => Ok(found),
            first => join(first, ask(Family::V4).await),
        },
        DnsFamily::V4Preferred => match ask(Family::V4).await {
            Ok(found) if !found.addresses.is_empty() => Ok(found),
            first => join(first, ask(Family::V6).await),
        },
        DnsFamily::All => {
            let (v4, v6) = futures_util::join!(ask(Family::V4), ask(Family::V6));
            join(v4, v6)
        }
    }?;
    let mut seen = std::collections::HashSet::new();
    found.addresses.retain(|address| seen.insert(*address));
    Ok(found)
}

/// Both together. The one without an answer does not matter when the other has addresses.
fn join(one: Result<Found, String>, other: Result<Found, String>) -> Result<Found, String> {
    match (one, other) {
        (Ok(mut one), Ok(other)) => {
            one.addresses.extend(other.addresses);
            one.ttl = one.ttl.into_iter().chain(other.ttl).min();
            Ok(one)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.addresses.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
