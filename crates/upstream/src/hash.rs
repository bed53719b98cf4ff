//! A hash for tables that are looked into once per request.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`FastHasher`]s.
pub(crate) type FastHash = BuildHasherDefault<FastHasher>;

/// Some instructions a word, without a secret: for keys that come from the control plane, and none from a
/// client.
#[derive(Debug, Default)]
pub(crate) struct FastHasher(u64);

impl FastHasher {
    fn mix(&mut self, word: u64) {
        /// Odd, with its bits spread: the golden ratio in 64 bits.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        // A product's high bits depend on all of a word; tables choose by the low ones.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;
    use std::net::SocketAddr;

    use destrier_policy::Address;

    use super::*;

    /// What a table has of a hash: a few low bits choose the place.
    #[test]
    fn neighbours_do_not_collide() {
        let places: HashSet<u64> = (0..1024u16)
            .map(|host| {
                let [high, low] = host.to_be_bytes();
                let address = Address::Ip(SocketAddr::from(([10, 0, high, low], 80)));
                FastHash::default().hash_one(address) & 0xffff
            })
            .collect();
        assert!(places.len() > 980, "{}", places.len());
        let names: HashSet<u64> = (0..1024)
            .map(|n| FastHash::default().hash_one(format!("cluster-{n}")) & 0xffff)
            .collect();
        assert!(names.len() > 980, "{}", names.len());
    }
}
