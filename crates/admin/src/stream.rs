//! Answers that are written while they are sent: a page of 10,000 clusters needs no more memory than one
//! of ten, and nobody else on the thread waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

/// A piece of an answer is sent when it has grown to this, in bytes.
pub(crate) const PIECE: usize = 16 * 1024;

/// After so many small steps others on the thread get their turn; the steps of any page together take
/// well below a millisecond.
const STEPS: u32 = 16;

/// Whoever asked has left: there is nobody to write for.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where a page is written to. At most two pieces exist: the one being written and the one that waits for
/// the connection.
pub(crate) struct Out {
    text: String,
    pieces: mpsc::Sender<Piece>,
    steps: u32,
}

enum Piece {
    Text(Bytes),
    /// The page is complete. A channel that ends without it broke off.
    End,
}

impl Out {
    /// What is being written.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// To be called between any two steps (a cluster, a host, a resource): sends what has become a piece,
    /// and lets others have a turn.
    pub(crate) async fn step(&mut self) -> Result<(), Gone> {
        if self.text.len() >= PIECE {
            self.send().await?;
        }
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Gone> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        self.pieces.send(Piece::Text(text.into())).await.map_err(|_| Gone)
    }

    async fn finish(mut self) -> Result<(), Gone> {
        self.send().await?;
        self.pieces.send(Piece::End).await.map_err(|_| Gone)
    }
}

/// The body that `render` writes, on a task of its own; it gives [`Out`] back at the end.
pub(crate) fn body<F>(render: impl FnOnce(Out) -> F) -> Body
where
    F: Future<Output = Result<Out, Gone>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let rendering = render(Out { text: String::new(), pieces: sender, steps: 0 });
    tokio::spawn(async move { rendering.await?.finish().await });
    Body::new(Pieces { receiver })
}

struct Pieces {
    receiver: mpsc::Receiver<Piece>,
}

/// The page could not be completed. The connection is cut, so that nobody takes half an answer for a
/// whole one.
#[derive(Debug, thiserror::Error)]
#[error("the page broke off")]
struct BrokenOff;

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.receiver.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Text(text)) => Some(Ok(Frame::data(text))),
            Some(Piece::End) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::HttpBody as _;
    use std::future::poll_fn;

    use super::*;

    async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().expect("there are no trailers")))
    }

    #[tokio::test]
    async fn a_page_comes_in_pieces_and_whole() {
        let mut body = body(|mut out| async move {
            for number in 0..20_000 {
                out.text().push_str(&format!("{number:07}\n"));
                out.step().await?;
            }
            Ok(out)
        });
        let (mut length, mut longest) = (0, 0);
        while let Some(piece) = next(&mut body).await {
            let piece = piece.expect("it does not break off");
            length += piece.len();
            longest = longest.max(piece.len());
        }
        assert_eq!(length, 160_000);
        assert!((PIECE..PIECE + 8).contains(&longest), "{longest}");
    }

    /// Two pieces at most are made ahead of whoever reads.
    #[tokio::test]
    async fn a_reader_that_waits_stops_the_writer() {
        let (written, seen) = tokio::sync::watch::channel(0);
        let _body = body(|mut out| async move {
            for number in 1.. {
                out.text().push_str(&"x".repeat(PIECE));
                written.send_replace(number);
                out.step().await?;
            }
            Ok(out)
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*seen.borrow(), 2);
    }

    #[tokio::test]
    async fn a_page_that_breaks_off_is_not_whole() {
        let mut body = body(|mut out| async move {
            out.text().push_str("half");
            Err(Gone)
        });
        assert!(next(&mut body).await.is_some_and(|piece| piece.is_err()));
    }

    #[tokio::test]
    async fn nobody_writes_for_a_reader_that_left() {
        let (alive, gone) = tokio::sync::oneshot::channel::<Infallible>();
        let body = body(|mut out| async move {
            let _alive = alive;
            loop {
                out.text().push_str(&"x".repeat(PIECE));
                out.step().await?;
            }
        });
        drop(body);
        assert!(gone.await.is_err(), "the page is dropped");
    }
}
