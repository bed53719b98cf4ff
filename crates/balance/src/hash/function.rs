//! The two hash functions.

use twox_hash::XxHash64;

/// xxHash64 with seed 0: of request keys, of host keys, of the points of a ring.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// xxHash64 with a seed: the second hash of Maglev, and the chain over several values of a header.
pub fn hash_bytes_seeded(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

/// The seed of libstdc++'s `std::_Hash_bytes`, which `MURMUR_HASH_2` means.
const LIBSTDCXX_SEED: u64 = 0xc70f_6907;

/// MurmurHash64A by Austin Appleby.
pub(crate) fn murmur2(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let fold = |word: u64| word ^ (word >> SHIFT);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = LIBSTDCXX_SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        hash = (hash ^ fold(word).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    fold(fold(hash).wrapping_mul(MULTIPLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xxhash_gives_the_known_answers() {
        let answers: [(&[u8], u64); 14] = [
            (b"", 17241709254077376921),
            (b"foo", 3728699739546630719),
            (b"bar", 5234164152756840025),
            (b"alice", 8332761332120969289),
            (b"bob", 10558559838520660027),
            (b"abc", 4952883123889572249),
            (b"user-42", 4142921581652311169),
            (&[b'a'; 40], 6241609220271238915),
            (b"foo,bar", 3911369682911755459),
            (b"127.0.0.1", 13874206750357698471),
            (b"127.0.0.1:90_0", 16117243373044804889),
            (b"[::1]:90_0", 2396980603917897225),
            (b"[2001:db8::1]:91_0", 13354547915641434159),
            (b"envoy://il/e1_0", 5269223355323996359),
        ];
        for (input, expected) in answers {
            assert_eq!(hash_bytes(input), expected, "{}", input.escape_ascii());
        }
        assert_eq!(hash_bytes_seeded(b"foo", hash_bytes(b"bar")), 6648465492906218751);
    }

    #[test]
    fn murmur_gives_the_known_answers() {
        assert_eq!(murmur2(b"127.0.0.1:80_0"), 17613279263364193813);
        assert_eq!(murmur2(b"a_0"), 638924522861893193);
    }
}
