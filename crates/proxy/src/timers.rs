//! The deadlines of one exchange.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::progress::RequestProgress;

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// `request_timeout`: the request did not come whole.
    Request,
    /// `stream_idle_timeout` or a route's `idle_timeout`: no byte moved.
    Idle,
    /// The route's `timeout`, from the end of the request to the end of the response.
    Response,
    /// `max_stream_duration` of the route or the connection manager.
    Duration,
}

/// All deadlines of an exchange on one alarm.
pub(crate) struct Timers {
    /// When the request began.
    pub(crate) started: Instant,
    /// `request_timeout`.
    pub(crate) request: Option<Duration>,
    /// Longest time without progress.
    pub(crate) idle: Option<Duration>,
    /// Longest time from the end of the request to the end of the response.
    pub(crate) response: Option<Duration>,
    /// Longest time from the head of the request to the end of the response.
    pub(crate) duration: Option<Duration>,
    /// When the last byte of the response moved.
    pub(crate) response_moved: Instant,
    /// Reused from exchange to exchange.
    pub(crate) alarm: Alarm,
}

impl Timers {
    /// Those that count from the beginning of a request.
    pub(crate) fn new(started: Instant, alarm: Alarm) -> Self {
        Self {
            started,
            request: None,
            idle: None,
            response: None,
            duration: None,
            response_moved: started,
            alarm,
        }
    }

    /// Ready when a deadline has passed; registers the task otherwise. To be called after everything that
    /// could make progress was polled.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<&RequestProgress>,
    ) -> Poll<Expired> {
        loop {
            let Some((deadline, kind)) = self.next(body) else { return Poll::Pending };
            self.alarm.set(Some(deadline));
            match self.alarm.poll(cx) {
                // Whoever reads the body may run elsewhere: what it did meanwhile counts.
                Poll::Ready(()) if self.next(body) == Some((deadline, kind)) => {
                    return Poll::Ready(kind);
                }
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The deadline that passes first.
    pub(crate) fn next(&self, body: Option<&RequestProgress>) -> Option<(Instant, Expired)> {
        let request_end = body.map_or(Some(self.started), RequestProgress::ended_at);
        let request_moved = body.map_or(self.started, RequestProgress::moved_at);
        let moved = self.response_moved.max(request_moved);
        let request = self.request.filter(|_| request_end.is_none());
        let request = request.map(|timeout| (self.started + timeout, Expired::Request));
        let response = self.response.zip(request_end);
        let response = response.map(|(timeout, end)| (end + timeout, Expired::Response));
        let idle = self.idle.map(|timeout| (moved + timeout, Expired::Idle));
        let duration = self.duration.map(|timeout| (self.started + timeout, Expired::Duration));
        [request, response, idle, duration]
            .into_iter()
            .flatten()
            .min_by_key(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn expired(timers: &mut Timers, body: Option<&RequestProgress>) -> Expired {
        poll_fn(|cx| timers.poll(cx, body)).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_deadline_wins() {
        let start = Instant::now();
        let mut timers = Timers::new(start, Alarm::default());
        timers.idle = Some(SECOND * 9);
        timers.response = Some(SECOND * 4);
        assert_eq!(expired(&mut timers, None).await, Expired::Response);
        assert_eq!(start.elapsed(), SECOND * 4);
        timers.response = None;
        timers.duration = Some(SECOND * 7);
        assert_eq!(expired(&mut timers, None).await, Expired::Duration);
        assert_eq!(start.elapsed(), SECOND * 7);
        timers.duration = None;
        assert_eq!(expired(&mut timers, None).await, Expired::Idle);
        assert_eq!(start.elapsed(), SECOND * 9);
    }

    #[tokio::test(start_paused = true)]
    async fn the_route_counts_from_the_end_of_the_request() {
        let start = Instant::now();
        let body = RequestProgress::new(start);
        let mut timers = Timers::new(start, Alarm::default());
        timers.response = Some(SECOND * 4);
        timers.request = Some(SECOND * 60);
        tokio::time::sleep(SECOND * 10).await;
        body.moved(3, Instant::now());
        body.ended(Instant::now());
        assert_eq!(expired(&mut timers, Some(&body)).await, Expired::Response);
        assert_eq!(start.elapsed(), SECOND * 14);
        assert_eq!(body.bytes(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_ended() {
        let start = Instant::now();
        let body = RequestProgress::new(start);
        let mut timers = Timers::new(start, Alarm::default());
        timers.response = Some(SECOND);
        timers.request = Some(SECOND * 3);
        assert_eq!(expired(&mut timers, Some(&body)).await, Expired::Request);
        assert_eq!(start.elapsed(), SECOND * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_on_either_side_is_progress() {
        let start = Instant::now();
        let body = RequestProgress::new(start);
        let mut timers = Timers::new(start, Alarm::default());
        timers.idle = Some(SECOND * 5);
        tokio::time::sleep(SECOND * 4).await;
        body.moved(1, Instant::now());
        tokio::time::sleep(SECOND * 4).await;
        timers.response_moved = Instant::now();
        assert_eq!(expired(&mut timers, Some(&body)).await, Expired::Idle);
        assert_eq!(start.elapsed(), SECOND * 13);
    }
}
