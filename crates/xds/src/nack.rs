use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::Rejection;

/// Longest error text: Envoy cuts at about the same length, and servers log it whole.
const MAX_TEXT: usize = 4096;
/// Longest reason of one resource within the text.
const MAX_REASON: usize = 1024;
/// Room that is kept for `; +k more`.
const MORE: usize = 32;
/// The same content is looked at again after this time: what was missing may be there by then.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// `n of m rejected: name: reason; ...`, at most 4 KiB, then `+k more`.
pub(crate) fn text(rejections: &[Rejection], resources: usize) -> String {
    let mut text = format!("{} of {resources} rejected: ", rejections.len());
    for (i, rejection) in rejections.iter().enumerate() {
        let separator = if i == 0 { "" } else { "; " };
        let entry =
            format!("{separator}{}: {}", rejection.name, cut(&rejection.reason, MAX_REASON));
        if text.len() + entry.len() + MORE > MAX_TEXT {
            let _ = write!(text, "{separator}+{} more", rejections.len() - i);
            break;
        }
        text.push_str(&entry);
    }
    text
}

fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// How many different contents of a type are refused at once within [`BURST_WINDOW`].
const BURST: u32 = 10;
const BURST_WINDOW: Duration = Duration::from_secs(1);

/// The last refused content of a type, so that the same content is not refused in a loop: some
/// servers answer each NACK at once with the same bad snapshot.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Hash of all resources of the message.
    content: u64,
    /// What was wrong with it.
    text: String,
    /// No other message was applied since, so the verdict on this content still holds.
    in_force: bool,
    judged: Instant,
    sent: Instant,
    repeats: u32,
    /// Contents refused since `burst_start`, for a server whose bad content differs each time.
    burst: u32,
    burst_start: Instant,
}

impl Refusal {
    /// A content refused for the first time; its NACK goes out at once.
    pub(crate) fn new(content: u64, text: String, now: Instant) -> Self {
        Self {
            content,
            text,
            in_force: true,
            judged: now,
            sent: now,
            repeats: 0,
            burst: 1,
            burst_start: now,
        }
    }

    /// The text of the NACK if this content was judged lately and nothing has changed since.
    pub(crate) fn known(&self, content: u64, now: Instant) -> Option<&str> {
        let recent = now.saturating_duration_since(self.judged) < LOOK_AGAIN_AFTER;
        (self.in_force && recent && self.content == content).then_some(&self.text)
    }

    /// Another message or another set of names changed what the verdict was based on.
    pub(crate) fn unsettle(&mut self) {
        self.in_force = false;
    }

    /// The same content was judged anew. False if it is not the same content.
    pub(crate) fn judge_again(&mut self, content: u64, text: &str, now: Instant) -> bool {
        let same = self.content == content;
        if same {
            text.clone_into(&mut self.text);
            self.in_force = true;
            self.judged = now;
        }
        same
    }

    /// Another content was refused. Its NACK goes out at once, which is `None`, but for a burst.
    pub(crate) fn replace(&mut self, content: u64, text: String, now: Instant) -> Option<Instant> {
        let (burst, burst_start) = (self.burst, self.burst_start);
        *self = Self::new(content, text, now);
        let end = burst_start + BURST_WINDOW;
        if now >= end {
            return None;
        }
        (self.burst, self.burst_start) = (burst + 1, burst_start);
        (self.burst > BURST).then(|| {
            self.sent = end;
            end
        })
    }

    /// When the NACK of this repeated content may go out.
    pub(crate) fn next(&mut self, (first, later): (Duration, Duration), now: Instant) -> Instant {
        let distance = if self.repeats == 0 { first } else { later };
        self.repeats = self.repeats.saturating_add(1);
        self.sent = now.max(self.sent + distance);
        self.sent
    }
}
