//! The last good state: the format of its file, and how it is written and read.
//!
//! `destrier-state` and a newline, then little-endian: version of the format (u32), length of what
//! follows the checksum (u64), its XXH64 (u64). Then: when it was saved, in milliseconds since 1970
//! (u64), and resources until the end: type URL, name, version and body, each with its length (u32)
//! before it, as the bytes that came from the control plane. A reader of this version refuses any other.

use std::hash::Hasher as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BufMut as _, Bytes};
use destrier_xds::TypeUrl;
use twox_hash::XxHash64;

const MAGIC: &[u8] = b"destrier-state\n";
const VERSION: u32 = 1;
/// In the directory of `--state-dir`.
const FILE: &str = "last-good";

/// What the control plane said last, as far as it was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// When it was saved.
    pub saved: SystemTime,
    /// In the order in which they are to be applied.
    pub resources: Vec<SavedResource>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedResource {
    /// Its type. Secrets never come here.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// The encoded message.
    pub body: Bytes,
}

/// What became of the state on disk, for the admin port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateStatus {
    /// What is in force is from disk, saved at this time; `None` once the control plane has answered.
    pub restored: Option<SystemTime>,
    /// Why the file was not used.
    pub refused: Option<String>,
    /// How often it was written.
    pub saves: u64,
    /// How often it could not be.
    pub save_failures: u64,
}

/// The status as another thread may read it at any time.
#[derive(Clone, Debug, Default)]
pub struct StateStatusHandle(Arc<Mutex<StateStatus>>);

impl StateStatusHandle {
    /// The latest status.
    pub fn load(&self) -> StateStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut StateStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Why there is no state to begin with.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// The system says no. A file that is not there is no fault.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It was not written by us.
    #[error("is no state of this program")]
    Foreign,
    /// It was written by another version.
    #[error("has format {0}, this version reads format {VERSION}")]
    OtherVersion(u32),
    /// It ends before its end, or goes on behind it.
    #[error("is cut short or torn: {0}")]
    Torn(&'static str),
    /// Its bytes are not those that were written.
    #[error("its checksum is wrong")]
    Corrupt,
}

/// The file in the directory of `--state-dir`.
pub fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Puts a state in place of the one before: a reader finds the one or the other, whatever happens.
///
/// # Errors
/// What the system said; the file before is untouched then.
pub fn write(directory: &Path, state: &State) -> io::Result<()> {
    let unfinished = directory.join(format!("{FILE}.new"));
    // Clusters may hold keys of their own: nobody else is to read it.
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(&encode(state))?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path_in(directory))?;
    std::fs::File::open(directory)?.sync_all()
}

/// The state that was saved last, if there is one.
///
/// # Errors
/// Why it is of no use.
pub fn read(directory: &Path) -> Result<Option<State>, StateFault> {
    match std::fs::read(path_in(directory)) {
        Ok(bytes) => decode(bytes.into()).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateFault::Unreadable(error)),
    }
}

/// As it stands in the file.
pub fn encode(state: &State) -> Vec<u8> {
    let mut body = Vec::new();
    let since = state.saved.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    body.put_u64_le(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    for SavedResource { type_url, name, version, body: resource } in &state.resources {
        let parts = [type_url.as_str().as_bytes(), name.as_bytes(), version.as_bytes(), resource];
        // A resource has no 4 GiB: messages are limited long before.
        let Ok(lengths) = parts.iter().map(|part| u32::try_from(part.len())).collect() else {
            continue;
        };
        let lengths: Vec<u32> = lengths;
        for (part, length) in parts.into_iter().zip(lengths) {
            body.put_u32_le(length);
            body.put_slice(part);
        }
    }
    let mut file = MAGIC.to_vec();
    file.put_u32_le(VERSION);
    file.put_u64_le(body.len() as u64);
    file.put_u64_le(checksum(&body));
    file.extend(body);
    file
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// Why it is not that.
pub fn decode(mut bytes: Bytes) -> Result<State, StateFault> {
    if !bytes.starts_with(MAGIC) {
        return Err(StateFault::Foreign);
    }
    bytes.advance(MAGIC.len());
    let short = |what| StateFault::Torn(what);
    let version = bytes.try_get_u32_le().map_err(|_| short("in its header"))?;
    if version != VERSION {
        return Err(StateFault::OtherVersion(version));
    }
    let length = bytes.try_get_u64_le().map_err(|_| short("in its header"))?;
    let sum = bytes.try_get_u64_le().map_err(|_| short("in its header"))?;
    if bytes.len() as u64 != length {
        return Err(short("its length is not the one in its header"));
    }
    if checksum(&bytes) != sum {
        return Err(StateFault::Corrupt);
    }
    let saved = bytes.try_get_u64_le().map_err(|_| short("in its time"))?;
    let saved = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(saved));
    let saved = saved.ok_or_else(|| short("in its time"))?;
    let mut resources = Vec::new();
    while !bytes.is_empty() {
        let type_url = TypeUrl::new(text(&mut bytes)?);
        let (name, version) = (text(&mut bytes)?, text(&mut bytes)?);
        let body = part(&mut bytes)?;
        resources.push(SavedResource { type_url, name, version, body });
    }
    Ok(State { saved, resources })
}

fn part(bytes: &mut Bytes) -> Result<Bytes, StateFault> {
    let length = bytes.try_get_u32_le().map_err(|_| StateFault::Torn("in a resource"))? as usize;
    if bytes.len() < length {
        return Err(StateFault::Torn("in a resource"));
    }
    Ok(bytes.split_to(length))
}

fn text(bytes: &mut Bytes) -> Result<String, StateFault> {
    String::from_utf8(part(bytes)?.into()).map_err(|_| StateFault::Torn("a name is not UTF-8"))
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let resource = |name: &str| SavedResource {
            type_url: TypeUrl::CLUSTER,
            name: name.into(),
            version: String::new(),
            body: Bytes::from_static(b"body"),
        };
        State {
            saved: SystemTime::UNIX_EPOCH + Duration::from_millis(1_234),
            resources: vec![resource("a"), resource("b")],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(read(directory.path()).expect("nothing is no fault").is_none());
        write(directory.path(), &state()).expect("the directory can be written to");
        assert_eq!(read(directory.path()).expect("it is whole"), Some(state()));
        let left: Vec<_> = std::fs::read_dir(directory.path()).expect("it is there").collect();
        assert_eq!(left.len(), 1, "nothing unfinished is left behind");
    }

    #[test]
    fn every_shorter_file_and_every_flipped_byte_is_refused() {
        let whole = encode(&state());
        for length in 0..whole.len() {
            decode(Bytes::copy_from_slice(&whole[..length])).expect_err("it is cut short");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0x40;
            decode(other.into()).expect_err("a byte is another");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut newer = encode(&state());
        newer[MAGIC.len()] = 2;
        let error = decode(newer.into()).expect_err("this version cannot know it");
        assert_eq!(error.to_string(), "has format 2, this version reads format 1");
    }
}
