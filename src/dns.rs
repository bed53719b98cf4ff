//! Resolves the names of DNS clusters, again and again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use destrier_control::DnsTarget;
use destrier_policy::{ClusterName, DnsFamily};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What a look-up found.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What was asked for.
    pub(crate) target: DnsTarget,
    /// Its addresses in the wanted family, or what the system said.
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// One task for each name that is wanted.
pub(crate) struct Resolver {
    answers: mpsc::UnboundedSender<Answer>,
    tasks: HashMap<(ClusterName, Arc<str>), (DnsTarget, AbortHandle)>,
}

impl Resolver {
    /// Nothing is resolved yet. Needs a runtime when targets are set.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        (Self { answers, tasks: HashMap::new() }, receiver)
    }

    /// These names are wanted from now on, and no others. One that is wanted as before goes on.
    pub(crate) fn set_targets(&mut self, targets: Vec<DnsTarget>) {
        let mut old = std::mem::take(&mut self.tasks);
        for target in targets {
            let key = (target.cluster.clone(), target.host.clone());
            let running = old.remove(&key).filter(|(known, _)| *known == target);
            let running = running.unwrap_or_else(|| {
                let task = tokio::spawn(resolve(target.clone(), self.answers.clone()));
                (target, task.abort_handle())
            });
            self.tasks.insert(key, running);
        }
        old.values().for_each(|(_, task)| task.abort());
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

/// Ends when nobody wants answers any more.
async fn resolve(target: DnsTarget, answers: mpsc::UnboundedSender<Answer>) {
    loop {
        // The port is no part of the look-up.
        let found = tokio::net::lookup_host((&*target.host, 0)).await;
        let addresses = match found {
            Ok(found) => {
                let all: Vec<IpAddr> = found.map(|address: SocketAddr| address.ip()).collect();
                Ok(of_family(&all, target.options.family))
            }
            Err(error) => Err(error.to_string()),
        };
        let pause = match &addresses {
            Ok(_) => target.options.refresh_rate + jitter(target.options.jitter),
            Err(_) => target.options.failure_refresh_rate,
        };
        if answers.send(Answer { target: target.clone(), addresses }).is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random::<f64>())
}

/// The addresses that `dns_lookup_family` lets through, in the order of the answer and each once.
fn of_family(all: &[IpAddr], family: DnsFamily) -> Vec<IpAddr> {
    let only = |v6: bool| all.iter().copied().filter(|ip| ip.is_ipv6() == v6).collect::<Vec<_>>();
    let first_or = |first: Vec<IpAddr>, second| if first.is_empty() { second } else { first };
    let mut chosen = match family {
        DnsFamily::V4Only => only(false),
        DnsFamily::V6Only => only(true),
        DnsFamily::Auto => first_or(only(true), only(false)),
        DnsFamily::V4Preferred => first_or(only(false), only(true)),
        DnsFamily::All => all.to_vec(),
    };
    let mut seen = std::collections::HashSet::new();
    chosen.retain(|ip| seen.insert(*ip));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_decides_which_addresses_count() {
        let [v4, v6]: [IpAddr; 2] =
            ["127.0.0.1".parse(), "::1".parse()].map(|ip| ip.expect("an address"));
        let both = [v4, v6, v4];
        assert_eq!(of_family(&both, DnsFamily::Auto), [v6]);
        assert_eq!(of_family(&[v4, v4], DnsFamily::Auto), [v4]);
        assert_eq!(of_family(&both, DnsFamily::V4Only), [v4]);
        assert_eq!(of_family(&both, DnsFamily::V4Preferred), [v4]);
        assert_eq!(of_family(&[v6], DnsFamily::V4Preferred), [v6]);
        assert_eq!(of_family(&both, DnsFamily::All), [v4, v6]);
        assert_eq!(of_family(&[v4], DnsFamily::V6Only), [] as [IpAddr; 0]);
    }
}
