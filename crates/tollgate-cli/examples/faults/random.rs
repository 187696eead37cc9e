//! A small seeded generator (xorshift64*, Vigna 2016); good enough to pick moments.

/// The generator.
pub(crate) struct Random(u64);

impl Random {
    /// One seed gives one sequence.
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would stay zero for ever; neighbouring seeds are spread out.
        Self((seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
