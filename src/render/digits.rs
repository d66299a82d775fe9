//! Numbers to decimal digits, without allocation: the innermost work of every table.
//!
//! Must not know: cells, tables.

/// Significant digits of a computed number: more than any rate measures, and few enough that the noise of
/// floating-point sums is not printed.
pub(super) const DERIVED_DIGITS: usize = 9;

/// 10^8 and 10^9: what numbers of [`DERIVED_DIGITS`] digits lie between.
const LEAST: u128 = 100_000_000;
const BEYOND: u128 = 1_000_000_000;

/// Most digits of a `u64`.
pub(super) const WHOLE_DIGITS_MAX: usize = 20;

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = pairs();

/// Powers of ten that a mantissa of 53 bits can be multiplied by in 128 bits.
const POWERS: [u128; 23] = powers();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "computed when it is compiled")]
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
}

#[expect(clippy::indexing_slicing, reason = "computed when it is compiled")]
const fn powers() -> [u128; 23] {
    let mut powers = [1; 23];
    let mut exponent = 1;
    while exponent < 23 {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
}

/// The decimal digits of a number, which `buffer` holds.
pub(super) fn whole(buffer: &mut [u8; WHOLE_DIGITS_MAX], number: u64) -> &[u8] {
    let mut rest = number;
    let mut from = WHOLE_DIGITS_MAX;
    for place in buffer.rchunks_exact_mut(2) {
        let pair = usize::try_from(rest % 100).ok().and_then(|pair| PAIRS.get(pair)).unwrap_or(&[b'0'; 2]);
        place.copy_from_slice(pair);
        from = from.saturating_sub(2);
        rest /= 100;
        if rest == 0 {
            from += usize::from(pair.first() == Some(&b'0'));
            break;
        }
    }
    // Of zero both digits are zeros, and the last one stays.
    buffer.get(from.min(WHOLE_DIGITS_MAX - 1)..).unwrap_or_default()
}

/// A positive number's first nine digits as a whole number, and the power of ten of the first: rounded as `{:.8e}` rounds,
/// to the nearest, of two as near the even one. None where 128 bits do not hold what that takes.
pub(super) fn nine(value: f64) -> Option<(u64, i32)> {
    let bits = value.to_bits();
    let biased = i32::try_from(bits >> 52 & 0x7ff).ok().filter(|biased| (1..0x7ff).contains(biased))?;
    let mantissa = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let shift = biased - 1075;
    // The logarithm of the power of two below it, times 2^20: too small by less than one.
    let below = (biased - 1023).checked_mul(315_653)? >> 20;
    for exponent in [below, below + 1] {
        let (floor, order) = scaled(mantissa, shift, 8 - exponent)?;
        if !(LEAST..BEYOND).contains(&floor) {
            continue;
        }
        let up = order == std::cmp::Ordering::Greater || (order == std::cmp::Ordering::Equal && floor % 2 == 1);
        let rounded = floor + u128::from(up);
        let (digits, exponent) = if rounded == BEYOND { (LEAST, exponent + 1) } else { (rounded, exponent) };
        return Some((u64::try_from(digits).ok()?, exponent));
    }
    None
}

/// mantissa × 2^shift × 10^power: the whole part, and how what is left compares to a half.
fn scaled(mantissa: u128, shift: i32, power: i32) -> Option<(u128, std::cmp::Ordering)> {
    let ten = *POWERS.get(usize::try_from(power.unsigned_abs()).ok()?)?;
    if power >= 0 {
        let product = mantissa.checked_mul(ten)?;
        let bits = u32::try_from(-shift).ok().filter(|bits| (1..127).contains(bits))?;
        let rest = product & ((1 << bits) - 1);
        return Some((product >> bits, rest.cmp(&(1 << (bits - 1)))));
    }
    let (above, below) = match u32::try_from(shift) {
        Ok(up) if up < 74 => (mantissa << up, ten),
        Ok(_) => return None,
        Err(_) => {
            let down = u32::try_from(-shift).ok().filter(|down| *down < 53)?;
            // Whole numbers, the usual case, are short enough for the machine's own division.
            if mantissa.trailing_zeros() >= down {
                (mantissa >> down, ten)
            } else {
                (mantissa, ten.checked_mul(1 << down)?)
            }
        }
    };
    match (u64::try_from(above), u64::try_from(below)) {
        (Ok(above), Ok(below)) if below < 1 << 62 => Some((u128::from(above / below), (above % below * 2).cmp(&below))),
        _ if below < 1 << 126 => Some((above / below, (above % below * 2).cmp(&below))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_nine(value: f64) {
        let text = format!("{value:.8e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let expected = (mantissa.replace('.', "").parse().unwrap(), exponent.parse().unwrap());
        if let Some(given) = nine(value) {
            assert_eq!(given, expected, "{value:e}");
        }
    }

    #[test]
    fn usual_numbers_need_no_more_than_128_bits() {
        for exponent in -13..25 {
            for mantissa in [1.0, 1.000_000_5, 3.333_333_333_3, 9.999_999_994_9, 9.999_999_995_1, 9.999_999_999_999] {
                let value = mantissa * 10f64.powi(exponent);
                assert!(nine(value).is_some(), "{value:e}");
                check_nine(value);
            }
        }
        for number in 0..2_000_u32 {
            // Halves of the last digit: ties.
            check_nine(f64::from(number).mul_add(0.5, 123_456_789.0));
            check_nine(f64::from(number).mul_add(5.0, 1_234_567_890.0));
            check_nine(f64::from(number).mul_add(1.0, 999_999_000.5));
            check_nine((f64::from(number) + 0.5) / 1024.0);
        }
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(bits: u64, number: u64, digits in 0..20_u32, value in 0.0..1e12) {
            let any = f64::from_bits(bits).abs();
            if any.is_finite() && any > 0.0 {
                check_nine(any);
            }
            if value > 0.0 {
                check_nine(value);
                check_nine((value * 8.0).round() / 8.0);
            }
            let number = number / 10_u64.pow(digits);
            let mut buffer = [0; WHOLE_DIGITS_MAX];
            let printed = std::str::from_utf8(whole(&mut buffer, number)).unwrap();
            prop_assert_eq!(printed, number.to_string());
        }
    }
}
