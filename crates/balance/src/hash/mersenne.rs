//! The random sequence that bounded load walks in.

const WORDS: usize = 624;

/// `std::mt19937`, for at most 624 numbers of which mostly a few are taken.
///
/// The words are mixed one by one as they are asked for; the whole is a ring of words that is used for
/// ever, as in the original.
pub(super) struct Mersenne {
    words: [u32; WORDS],
    next: usize,
}

impl Mersenne {
    pub(super) fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for index in 1..WORDS {
            let before: u32 = words[index - 1];
            let mixed = (before ^ (before >> 30)).wrapping_mul(1_812_433_253);
            // Less than 624.
            words[index] = mixed.wrapping_add(index as u32);
        }
        Self { words, next: 0 }
    }

    fn draw(&mut self) -> u32 {
        let index = self.next;
        self.next = (index + 1) % WORDS;
        let joined = (self.words[index] & 0x8000_0000) | (self.words[self.next] & 0x7fff_ffff);
        let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
        let mut word = self.words[(index + 397) % WORDS] ^ (joined >> 1) ^ twist;
        self.words[index] = word;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// Uniform below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let bucket = (1u64 << 32) / u64::from(bound.max(1));
        loop {
            let drawn = u64::from(self.draw()) / bucket;
            if drawn < u64::from(bound.max(1)) {
                // Below `bound`.
                return drawn as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [rand.predef]: the 10,000th number of a default-constructed `mt19937`.
    #[test]
    fn it_is_the_standard_generator() {
        let mut numbers = Mersenne::new(5489);
        let last = (0..10_000).map(|_| numbers.draw()).last();
        assert_eq!(last, Some(4_123_659_995));
    }
}
