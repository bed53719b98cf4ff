//! Whether a file has to be read again, told from what the system says of it.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

/// Which file a path leads to, links followed, and in which state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Device and number: another file has another, whoever renamed or relinked what.
    pub(crate) file: (u64, u64),
    pub(crate) size: u64,
    /// Of its content and of its number, in seconds and nanoseconds: the second cannot be set back.
    pub(crate) changed: [i64; 4],
}

impl Stamp {
    pub(crate) fn of(path: &std::path::Path) -> Result<Self, ErrorKind> {
        let found = std::fs::metadata(path).map_err(|error| error.kind())?;
        Ok(Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            changed: [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()],
        })
    }
}

/// What is known of one file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// As it was when it was read.
    read: Option<Result<Stamp, ErrorKind>>,
    /// As it was at the last look, when it had been changed in place.
    moving: Option<Stamp>,
}

impl Watch {
    /// Whether to read it. One that is changed in place may be half written: it is read when it is the
    /// same in two looks.
    pub(crate) fn look(&mut self, is: Result<Stamp, ErrorKind>) -> bool {
        if self.read == Some(is) {
            self.moving = None;
            return false;
        }
        let in_place = match (self.read, is) {
            (Some(Ok(read)), Ok(is)) => (read.file == is.file).then_some(is),
            _ => None,
        };
        if in_place.is_some() && self.moving != in_place {
            self.moving = in_place;
            return false;
        }
        self.moving = None;
        self.read = Some(is);
        true
    }

    /// It changed while it was read: what was read is worth nothing.
    pub(crate) fn look_again(&mut self) {
        self.read = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(file: u64, second: i64) -> Result<Stamp, ErrorKind> {
        Ok(Stamp { file: (1, file), size: 10, changed: [second, 0, second, 0] })
    }

    #[test]
    fn a_file_is_read_once_and_another_one_at_once() {
        let mut watch = Watch::default();
        assert!(watch.look(stamp(1, 0)));
        assert!(!watch.look(stamp(1, 0)));
        assert!(watch.look(stamp(2, 0)), "renamed over, or the link above it was swapped");
        assert!(!watch.look(stamp(2, 0)));
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone_until_it_keeps_still() {
        let mut watch = Watch::default();
        assert!(watch.look(stamp(1, 0)));
        assert!(!watch.look(stamp(1, 1)));
        assert!(!watch.look(stamp(1, 2)));
        assert!(watch.look(stamp(1, 2)));
        assert!(!watch.look(stamp(1, 2)));
    }

    #[test]
    fn a_file_that_goes_away_is_missed_once_and_read_when_it_is_back() {
        let mut watch = Watch::default();
        assert!(watch.look(stamp(1, 0)));
        assert!(watch.look(Err(ErrorKind::NotFound)));
        assert!(!watch.look(Err(ErrorKind::NotFound)));
        assert!(watch.look(stamp(1, 0)));
    }
}
