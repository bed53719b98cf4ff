//! Resources that come from files or go to one: `path_config_source`, and the last good state on disk.
//!
//! * [`FileSession`] is to a file what the ADS session is to a stream: contents go in, the same
//!   [`Update`](destrier_xds::Update)s come out, and the verdict on each comes back. It does no I/O.
//! * [`Files`] looks at the files and runs a session for each. A file is asked, not listened to:
//!   Kubernetes swaps links above the file, editors rename and truncate, and some file systems send no
//!   events at all, while who and how old the file behind a path is can always be asked, at the price of
//!   one call a second. Unlike Envoy, which knows only moves, a file that is changed in place is read
//!   too, once it has kept still for a look.
//! * [`state`] is the format of the file that `--state-dir` keeps.
//! * This crate must never know what a resource *means*, nor stop anything for what a file says: a bad
//!   file keeps what it said last, and is named.
//! * Start reading at [`FileSession`].

mod content;
mod driver;
mod session;
pub mod state;
mod watch;

pub use content::{Content, FileFault, NamedResource, UnnamedFault};
pub use driver::{FileEvent, FileSource, FileStatus, FileStatusHandle, Files, FilesControl};
pub use session::{FileSession, FileTicket, Interest};
pub use state::{StateStatus, StateStatusHandle};
