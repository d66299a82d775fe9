//! Windows of time, and the names of blocks: which samples belong together, and when.
//!
//! Pure: `state, now -> work`. Must not know: SQL, the clock.

use crate::model::Timestamp;
use crate::model::time::SETTLE_MS;

pub(super) const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Bits of a block's id that hold the entity: a billion of them, and minutes of 16,000 years above.
const ENTITY_BITS: u32 = 30;

/// The first entity id that is too large for a block's id.
pub(super) const ENTITIES_END: i64 = 1 << ENTITY_BITS;

/// How samples become blocks. All lengths are whole minutes, and windows begin at multiples of their length since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Length of the windows that rows are sealed by.
    pub(super) seal_ms: i64,
    /// Length of the windows that blocks are merged by; a multiple of the other.
    pub(super) merge_ms: i64,
    /// How long after a window's end it is left alone. Later samples are taken in too, but each costs its block anew.
    pub(super) settle_ms: i64,
    /// Numbers sealed in one step, nulls included: a megabyte or two of pieces. One entity more may go over it.
    pub(super) cells_per_step: usize,
    /// Samples rolled up in one step, beside the writer. One entity's day more may go over it.
    pub(super) rolled_per_step: usize,
}

impl Windows {
    /// Two hours make few enough rows, and blocks large enough for pco. A day is 13 % smaller than twelve of them, and
    /// reads of a month touch a twelfth as many.
    pub(super) const USUAL: Windows = Windows {
        seal_ms: 2 * HOUR_MS,
        merge_ms: 24 * HOUR_MS,
        settle_ms: SETTLE_MS,
        cells_per_step: 400_000,
        rolled_per_step: 50_000,
    };

    /// The window of so many milliseconds that an instant lies in.
    pub(super) fn around(at_ms: i64, length_ms: i64) -> (i64, i64) {
        let start_ms = bounded(at_ms).div_euclid(length_ms) * length_ms;
        (start_ms, start_ms + length_ms)
    }

    /// Whether a window that ends then may be sealed or merged.
    pub(super) fn is_ripe(&self, end_ms: i64, now: Timestamp) -> bool {
        end_ms.saturating_add(self.settle_ms) <= now.ms()
    }

    /// The end of the windows of a length that may be worked on: the latest that is ripe.
    pub(super) fn ripe_until(&self, length_ms: i64, now: Timestamp) -> i64 {
        bounded(now.ms().saturating_sub(self.settle_ms)).div_euclid(length_ms) * length_ms
    }
}

/// An instant within the time that can be kept. What lies beyond belongs to the first or the last window.
pub(super) fn bounded(at_ms: i64) -> i64 {
    at_ms.clamp(Timestamp::MIN.ms(), Timestamp::MAX.ms() - 1)
}

/// The id of an entity's block whose window starts in the minute of an instant.
pub(super) fn block_id(start_ms: i64, entity: i64) -> i64 {
    (bounded(start_ms).div_euclid(MINUTE_MS) << ENTITY_BITS) | entity
}

/// When the window of a block starts.
pub(super) fn block_start_ms(id: i64) -> i64 {
    (id >> ENTITY_BITS) * MINUTE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_and_ids_sort_by_time() {
        assert_eq!(Windows::around(7_200_000, 7_200_000), (7_200_000, 14_400_000));
        assert_eq!(Windows::around(-1, 7_200_000), (-7_200_000, 0));
        let far = [i64::MIN, Timestamp::MIN.ms(), -1, 0, 59_999, 60_000, Timestamp::MAX.ms() - 60_000, i64::MAX];
        let ids: Vec<i64> = far.iter().map(|at| block_id(*at, ENTITIES_END - 1)).collect();
        assert!(ids.is_sorted());
        for (at, id) in far.iter().zip(&ids) {
            assert_eq!(block_start_ms(*id), Windows::around(*at, MINUTE_MS).0);
            assert!(block_id(*at, 0) <= *id && id & (ENTITIES_END - 1) == ENTITIES_END - 1);
        }
    }

    #[test]
    fn a_window_is_ripe_when_it_has_settled() {
        let windows = Windows { seal_ms: 60_000, merge_ms: 120_000, settle_ms: 5, ..Windows::USUAL };
        assert!(!windows.is_ripe(60_000, Timestamp::from_ms(60_004)));
        assert!(windows.is_ripe(60_000, Timestamp::from_ms(60_005)));
        assert_eq!(windows.ripe_until(60_000, Timestamp::from_ms(60_004)), 0);
        assert_eq!(windows.ripe_until(60_000, Timestamp::from_ms(60_005)), 60_000);
    }
}
