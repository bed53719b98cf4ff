//! Why a resource is refused.

use std::fmt;

/// One fault of one resource. A resource may have several: translation never stops at the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Name of the resource (of the cluster, the assignment, the listener, ...).
    pub resource: String,
    /// Path of the field in the proto's own names: `outlier_detection.max_ejection_percent`; a map key
    /// or an index stands in brackets. Empty when it is the resource as a whole.
    pub field_path: String,
    /// What is wrong with it, in words.
    pub reason: String,
}

/// `field: reason`, for the message of a NACK.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field_path.is_empty() {
            write!(f, "{}: ", self.field_path)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Rejection {}
