//! Quantile sketches: how often values of about one size occurred, kept so that sketches of hours add up to one of years.
//!
//! # Promise
//! A percentile read from a sketch lies within [`RELATIVE_ERROR`] of the exact one (linear between ranks as in NumPy),
//! whatever the values and however many sketches were added up, in any order. It never lies beyond the smallest or the
//! largest value. Magnitudes below 2.3e-308 count as 0.
//!
//! # How
//! The bins of DDSketch: bin *i* holds the values of about γ^i, γ = (1 + α) / (1 − α), where the logarithm is taken by
//! the cubic interpolation between powers of two, so that a value has the same bin on every machine. Counts of the same
//! bin add up. Values come in as plain numbers; must not know: what they measure.

/// How far a percentile of a sketch lies from the exact one at most, as a part of it.
pub const RELATIVE_ERROR: f64 = 0.01;

/// α: a little below [`RELATIVE_ERROR`], for what is lost in rounding.
const ACCURACY: f64 = 0.0099;
/// Added to the bins of positive numbers, so that those of negative ones are their mirror and 0 has its own.
const BIAS: i32 = 40_000;
/// The bin of +∞; −∞ has its mirror. The largest number lies below.
const INFINITE: i32 = 2 * BIAS;
/// The bin of NaN: after all numbers, as in a total order.
const NAN: i32 = INFINITE + 1;
/// Bins that wait to be put in order before it is done: an hour brings a few dozen.
const UNSORTED_MIN: usize = 256;

/// Bins of a power of two: the slope of the interpolation at its flattest is 10/7.
fn bins_per_octave() -> f64 {
    0.7 / ((1.0 + ACCURACY) / (1.0 - ACCURACY)).ln()
}

/// What lies between the powers of two, from 0 to 1 for a mantissa of [0, 1): ascending, and near to the logarithm.
fn interpolated(mantissa: f64) -> f64 {
    ((6.0 / 35.0 * mantissa - 3.0 / 5.0) * mantissa + 10.0 / 7.0) * mantissa
}

/// Finds the bins of values; made once for many.
#[derive(Debug, Clone, Copy)]
pub struct Binning {
    per_octave: f64,
}

impl Default for Binning {
    fn default() -> Self {
        Binning { per_octave: bins_per_octave() }
    }
}

impl Binning {
    /// The bin of a value; ascending with it.
    #[expect(clippy::cast_possible_truncation, reason = "at most 1024 octaves of 36 bins")]
    pub fn bin(&self, value: f64) -> i32 {
        const MANTISSA_BITS: u32 = 52;
        const EXPONENT_BIAS: f64 = 1023.0;
        let magnitude = value.abs();
        if value.is_nan() {
            return NAN;
        }
        let bin = if magnitude < f64::MIN_POSITIVE {
            0
        } else if magnitude.is_infinite() {
            INFINITE
        } else {
            let bits = magnitude.to_bits();
            let exponent = f64::from((bits >> MANTISSA_BITS) as u32) - EXPONENT_BIAS;
            let one = f64::to_bits(1.0);
            let mantissa = f64::from_bits((bits & ((1 << MANTISSA_BITS) - 1)) | one) - 1.0;
            BIAS + (self.per_octave * (exponent + interpolated(mantissa))).floor() as i32
        };
        if value < 0.0 { -bin } else { bin }
    }

    /// The number that stands for all of a bin.
    fn number(&self, bin: i32) -> f64 {
        match bin.abs() {
            0 => 0.0,
            NAN => f64::NAN,
            INFINITE => f64::INFINITY.copysign(f64::from(bin)),
            magnitude => {
                let low = self.lower_end(magnitude - BIAS).max(f64::MIN_POSITIVE);
                let high = self.lower_end(magnitude - BIAS + 1).min(f64::MAX);
                // As far from both ends, as parts of them; halves first, as the sum may be beyond all numbers.
                (low / (low / 2.0 + high / 2.0) * high).copysign(f64::from(bin))
            }
        }
    }

    fn lower_end(&self, index: i32) -> f64 {
        let place = f64::from(index) / self.per_octave;
        let octave = place.floor();
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        // As many halvings as a mantissa has bits.
        for _ in 0..53 {
            let middle = (low + high) / 2.0;
            if interpolated(middle) <= place - octave { low = middle } else { high = middle }
        }
        (1.0 + low) * octave.exp2()
    }
}

/// How often values of about one size occurred.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    /// Counts by bin; in the order of the bins and each once as far as `sorted` goes.
    bins: Vec<(i32, u64)>,
    sorted: usize,
    range: Option<(f64, f64)>,
}

impl Sketch {
    /// Adds what another counted: its bins, in any order, and its smallest and largest value.
    pub fn add(&mut self, bins: &[(i32, u32)], smallest: f64, largest: f64) {
        self.bins.extend(bins.iter().map(|(bin, count)| (*bin, u64::from(*count))));
        self.reach(smallest, largest);
        self.sort_at(UNSORTED_MIN.max(2 * self.sorted));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Sketch) {
        self.bins.extend_from_slice(&other.bins);
        if let Some((smallest, largest)) = other.range {
            self.reach(smallest, largest);
        }
        self.sort_at(UNSORTED_MIN.max(2 * self.sorted));
    }

    fn reach(&mut self, smallest: f64, largest: f64) {
        if smallest.is_nan() || largest.is_nan() {
            return;
        }
        self.range = Some(match self.range {
            Some((low, high)) => (low.min(smallest), high.max(largest)),
            None => (smallest, largest),
        });
    }

    fn sort_at(&mut self, length: usize) {
        if self.bins.len() < length {
            return;
        }
        self.bins.sort_unstable_by_key(|(bin, _)| *bin);
        self.bins.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                kept.1 = kept.1.saturating_add(later.1);
            }
            is_same
        });
        self.sorted = self.bins.len();
    }

    /// The value below which `percent` of the values lie; nothing where there are none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among at most 2^53 values"
    )]
    pub fn percentile(&mut self, percent: u8) -> Option<f64> {
        self.sort_at(0);
        let count: u64 = self.bins.iter().fold(0, |count, (_, more)| count.saturating_add(*more));
        let rank = f64::from(percent) / 100.0 * count.checked_sub(1)? as f64;
        let below = self.at(rank.floor() as u64)?;
        let above = self.at(rank.ceil() as u64)?;
        // Two of one bin are one number, infinite ones too.
        Some(if below == above { below } else { below + (above - below) * rank.fract() })
    }

    /// The value at a rank, counted from 0.
    fn at(&self, rank: u64) -> Option<f64> {
        let mut passed = 0_u64;
        let found = self.bins.iter().find(|(_, count)| {
            passed = passed.saturating_add(*count);
            passed > rank
        });
        let number = Binning::default().number(found?.0);
        Some(match self.range {
            Some((smallest, largest)) if !number.is_nan() => number.max(smallest).min(largest),
            _ => number,
        })
    }
}

/// The bins of some values with their counts, in order.
pub fn counted(bins: &mut [i32]) -> Vec<(i32, u32)> {
    bins.sort_unstable();
    let runs = bins.chunk_by(|left, right| left == right);
    runs.filter_map(|run| Some((*run.first()?, u32::try_from(run.len()).unwrap_or(u32::MAX)))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(values: &mut [f64], percent: u8) -> f64 {
        values.sort_by(f64::total_cmp);
        let (rank, part) =
            ((values.len() - 1) * usize::from(percent) / 100, (values.len() - 1) * usize::from(percent) % 100);
        let (below, above) = (values[rank], values[(rank + part.min(1)).min(values.len() - 1)]);
        below + (above - below) * (part as f64 / 100.0)
    }

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        for hour in values.chunks(7) {
            let mut bins: Vec<i32> = hour.iter().map(|value| Binning::default().bin(*value)).collect();
            let smallest = hour.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = hour.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            sketch.add(&counted(&mut bins), smallest, largest);
        }
        sketch
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => 0.0..4.0_f64,
            2 => 1e6..1e12_f64,
            1 => Just(0.0),
            1 => 0.0..1e-200_f64,
            1 => 1e300..f64::MAX / 4.0,
        ]
    }

    proptest! {
        #[test]
        fn a_percentile_lies_within_one_percent_of_the_exact_one(
            mut values in proptest::collection::vec(value(), 1..400),
            percent in proptest::sample::select(vec![0_u8, 50, 90, 95, 99, 100]),
            sign in proptest::sample::select(vec![1.0, -1.0]),
        ) {
            values.iter_mut().for_each(|value| *value *= sign);
            let found = sketch(&values).percentile(percent).unwrap();
            let exact = exact(&mut values, percent);
            // Numbers below 2.3e-308 are 0 to it.
            prop_assert!((found - exact).abs() <= exact.abs() * RELATIVE_ERROR + 1e-307, "{found} for {exact}");
            prop_assert!(found >= values[0] && found <= values[values.len() - 1]);
        }

        #[test]
        fn sketches_add_up_in_any_order(values in proptest::collection::vec(value(), 1..3_000), cut in 0..3_000_usize) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut whole = sketch(&values);
            let mut added = sketch(right);
            added.merge(&sketch(left));
            for percent in [50, 90, 95, 99] {
                prop_assert_eq!(whole.percentile(percent).map(f64::to_bits), added.percentile(percent).map(f64::to_bits));
            }
        }

        #[test]
        fn bins_ascend_with_values(left in any::<f64>(), right in any::<f64>()) {
            let binning = Binning::default();
            if left <= right {
                prop_assert!(binning.bin(left) <= binning.bin(right));
            }
        }
    }

    #[test]
    fn numbers_at_the_ends_have_bins() {
        let binning = Binning::default();
        let numbers =
            [f64::NEG_INFINITY, f64::MIN, -1.0, -0.0, f64::MIN_POSITIVE, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
        let bins = numbers.map(|number| binning.bin(number));
        assert!(bins.is_sorted() && bins[3] == 0, "{bins:?}");
        assert_eq!(binning.number(binning.bin(f64::INFINITY)), f64::INFINITY);
        assert!(binning.number(binning.bin(f64::NAN)).is_nan());
        assert!(binning.number(binning.bin(f64::MIN_POSITIVE)).is_normal());
        assert_eq!(Sketch::default().percentile(50), None);
        assert_eq!(sketch(&[5.0; 100]).percentile(95), Some(5.0));
        assert_eq!(sketch(&[f64::INFINITY; 3]).percentile(50), Some(f64::INFINITY));
    }
}
