//! A timer that is cheap to move later.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that moves with every request. Arming a timer of the runtime costs a lock and a place in its
/// wheel, so a timer that was armed for an earlier moment is left as it is, and armed anew only when
/// it fires before its time. Under load a connection touches the wheel once per timeout, not once per
/// request.
#[derive(Default)]
pub(crate) struct Alarm {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Moves the deadline; `None` is never.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Ready when the deadline has passed; registers the task otherwise.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if sleep.deadline() >= deadline => return Poll::Ready(()),
                Poll::Ready(()) => sleep.as_mut().reset(deadline),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fires_at_the_deadline_that_was_set_last() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        for (at, expected) in [(5, 5), (20, 20), (10, 20), (30, 30)] {
            alarm.set(Some(start + Duration::from_secs(at)));
            poll_fn(|cx| alarm.poll(cx)).await;
            assert_eq!(start.elapsed().as_secs(), expected, "{at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn moves_both_ways_while_waiting() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        alarm.set(Some(start + Duration::from_secs(5)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(start + Duration::from_secs(9)));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 9);
        alarm.set(Some(start + Duration::from_secs(99)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(start + Duration::from_secs(11)));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_it_never_fires() {
        let mut alarm = Alarm::default();
        alarm.set(None);
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}
