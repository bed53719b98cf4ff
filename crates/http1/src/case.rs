//! Header names as some peers want them (`header_key_format`).

/// Writes the names in a head as `proper_case_words` does: the first letter of each word large, where
/// words are letters and digits. `head` is what [`write_response_head`](crate::write_response_head) or
/// [`write_request_head`](crate::write_request_head) made.
pub fn proper_case(head: &mut [u8]) {
    for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
        let mut begins = true;
        for byte in line.iter_mut().take_while(|byte| **byte != b':') {
            if begins {
                byte.make_ascii_uppercase();
            }
            begins = !byte.is_ascii_alphanumeric();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_large() {
        let mut head = *b"HTTP/1.1 200 OK\r\ncontent-length: a-b:c\r\nx_y-1z: \xffq\r\n\r\n";
        proper_case(&mut head);
        assert_eq!(&head[..], b"HTTP/1.1 200 OK\r\nContent-Length: a-b:c\r\nX_Y-1z: \xffq\r\n\r\n");
    }
}
