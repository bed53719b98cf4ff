//! Joins the live clusters with a new snapshot: pure.
