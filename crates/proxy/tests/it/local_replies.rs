//! local_replies
