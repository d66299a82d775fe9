//! Chance, of a seed that is printed: a failure can be run again.

use super::machine;
use super::time::now_ms;

/// A small generator of numbers.
pub(crate) struct Random(u64);

impl Random {
    /// One of a new seed, which is printed with who it is for.
    pub(crate) fn new(who: &str) -> Random {
        let seed = u64::try_from(now_ms()).unwrap();
        machine::say(&format!("{who}: seed {seed}"));
        Random(seed)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
