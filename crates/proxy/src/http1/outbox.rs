//! What waits to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use destrier_http1::{CHUNK_END, ChunkHead, LAST_CHUNK, write_chunk, write_last_chunk};
use http::HeaderMap;

use crate::scope::BufferLimit;

/// Data up to this size is copied behind what is there already: cheaper than one more slice to write.
const COPY: usize = 2048;

/// Heads, framing and data in order, written with as few calls as possible.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Comes first.
    pieces: VecDeque<Bytes>,
    /// Comes last; kept for its memory.
    tail: BytesMut,
    len: usize,
    /// How much may wait before the body is asked for more.
    limit: BufferLimit,
}

impl Outbox {
    /// With nothing in it.
    pub(super) fn new(limit: BufferLimit) -> Self {
        Self { pieces: VecDeque::new(), tail: BytesMut::new(), len: 0, limit }
    }

    /// Gives its memory back when there is nothing in it.
    pub(super) fn release(&mut self) {
        if self.len == 0 {
            *self = Self::new(self.limit);
        }
    }

    /// Where a head is written to; [`Outbox::wrote`] follows.
    pub(super) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Counts what was written to the tail.
    pub(super) fn wrote(&mut self) {
        self.len = self.pieces.iter().map(Bytes::len).sum::<usize>() + self.tail.len();
    }

    /// Whether the body has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.limit.get()
    }

    /// Data of a body that is counted.
    pub(super) fn push_data(&mut self, data: Bytes) {
        self.len += data.len();
        if data.len() <= COPY {
            self.tail.extend_from_slice(&data);
        } else {
            self.seal();
            self.pieces.push_back(data);
        }
    }

    /// Data of a chunked body.
    pub(super) fn push_chunk(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if data.len() <= COPY {
            let before = self.tail.len();
            write_chunk(&mut self.tail, &data);
            self.len += self.tail.len() - before;
            return;
        }
        let head = ChunkHead::new(data.len());
        self.len += head.as_bytes().len() + data.len() + CHUNK_END.len();
        self.tail.extend_from_slice(head.as_bytes());
        self.seal();
        self.pieces.push_back(data);
        self.tail.extend_from_slice(CHUNK_END);
    }

    /// The end of a chunked body.
    pub(super) fn push_last_chunk(&mut self, trailers: Option<&HeaderMap>) {
        let before = self.tail.len();
        match trailers {
            Some(trailers) => write_last_chunk(&mut self.tail, trailers),
            None => self.tail.extend_from_slice(LAST_CHUNK),
        }
        self.len += self.tail.len() - before;
    }

    /// Bytes as they are.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.tail, |first| first)
    }

    fn advance(&mut self, mut count: usize) {
        self.len -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
        }
        if count == self.tail.len() {
            self.tail.clear();
        } else {
            self.tail.advance(count);
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        let all = self.pieces.iter().map(|piece| &piece[..]).chain(tail);
        let filled = slices.iter_mut().zip(all).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while outbox.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = outbox.chunks_vectored(&mut slices);
            let mut room = step;
            for slice in &slices[..count] {
                let taken = slice.len().min(room);
                all.extend_from_slice(&slice[..taken]);
                room -= taken;
            }
            outbox.advance(step - room);
        }
        all
    }

    #[test]
    fn keeps_the_order_whatever_the_writes_take() {
        for step in [1, 7, 2000, 100_000] {
            let mut outbox = Outbox::new(BufferLimit::MOST);
            outbox.tail().extend_from_slice(b"head\r\n");
            outbox.wrote();
            let large = Bytes::from(vec![b'l'; 3000]);
            outbox.push_chunk(Bytes::from_static(b"small"));
            outbox.push_chunk(large.clone());
            outbox.push_chunk(Bytes::new());
            outbox.push_last_chunk(None);
            outbox.push_data(large.clone());
            outbox.push_data(Bytes::from_static(b"end"));
            let mut expected = b"head\r\n5\r\nsmall\r\nbb8\r\n".to_vec();
            expected.extend_from_slice(&large);
            expected.extend_from_slice(b"\r\n0\r\n\r\n");
            expected.extend_from_slice(&large);
            expected.extend_from_slice(b"end");
            assert_eq!(outbox.remaining(), expected.len());
            assert_eq!(drain(&mut outbox, step), expected, "{step}");
            assert_eq!(outbox.remaining(), 0);
        }
    }
}
