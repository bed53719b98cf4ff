//! Resolves the names of DNS clusters, again and again.
//!
//! A task for each name asks, reports the answer and sleeps until the next time is due. Whom it asks is a
//! [`Resolve`]: [`System`] in the agent, a script on virtual time in tests.

mod families;
mod schedule;
mod system;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use destrier_control::{DnsTarget, Wanted};
use destrier_policy::ClusterName;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use families::look_up;
pub(crate) use families::{Family, Found, Resolve};
use schedule::Schedule;
pub(crate) use system::System;

/// What a look-up found.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// What was asked for.
    pub(crate) target: DnsTarget,
    /// Its addresses in the wanted family, perhaps none, or why there is no answer.
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// One task for each name that is wanted.
pub(crate) struct Resolver<R = System> {
    asked: Arc<R>,
    answers: mpsc::UnboundedSender<Answer>,
    tasks: HashMap<(ClusterName, Arc<str>), (DnsTarget, AbortHandle)>,
}

impl<R: Resolve> Resolver<R> {
    /// Nothing is resolved yet. Needs a runtime when targets are set.
    pub(crate) fn new(asked: R) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        (Self { asked: Arc::new(asked), answers, tasks: HashMap::new() }, receiver)
    }

    /// These names are wanted from now on, and no others. One that is wanted as before goes on.
    pub(crate) fn set_targets(&mut self, targets: Vec<DnsTarget>) {
        let mut old = std::mem::take(&mut self.tasks);
        for target in targets {
            let key = (target.cluster.clone(), target.host.clone());
            // One that is wanted otherwise stays among the old, whose tasks end.
            let same = old.get(&key).is_some_and(|(known, _)| *known == target);
            let running = same.then(|| old.remove(&key)).flatten().unwrap_or_else(|| {
                let (asked, answers) = (Arc::clone(&self.asked), self.answers.clone());
                let task = tokio::spawn(resolve(asked, target.clone(), answers));
                (target, task.abort_handle())
            });
            self.tasks.insert(key, running);
        }
        old.values().for_each(|(_, task)| task.abort());
    }
}

impl<R> Drop for Resolver<R> {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

/// Ends when nobody wants answers any more.
async fn resolve<R: Resolve>(
    asked: Arc<R>,
    target: DnsTarget,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut schedule = Schedule::default();
    let options = &target.options;
    loop {
        let mut found = look_up(&*asked, &target.host, options.family, &options.servers).await;
        if target.wanted == Wanted::First
            && found.as_ref().is_ok_and(|found| found.addresses.is_empty())
        {
            found = Err("it has no address".into());
        }
        let pause = schedule.pause(options, found.as_ref().ok(), rand::random());
        let addresses = found.map(|found| found.addresses);
        if answers.send(Answer { target: target.clone(), addresses }).is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}
