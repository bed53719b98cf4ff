//! More random numbers from one.

/// A splitmix64 sequence: a pick is given one random number and may need several draws.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(random: u64) -> Self {
        Self(random)
    }

    /// Uniform below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The high word of the product is below `bound`.
        ((u128::from(mixed) * bound as u128) >> 64) as usize
    }
}
