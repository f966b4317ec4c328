//! Choices that are the same again from the same seed.

/// A xorshift generator; the seed may not be 0.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// One of `kinds`, each as often as its weight says.
    pub(crate) fn kind(&mut self, kinds: &[(&'static str, u64)]) -> &'static str {
        let mut chance = self.below(kinds.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in kinds {
            if chance < *weight {
                return kind;
            }
            chance -= weight;
        }
        "create"
    }
}
