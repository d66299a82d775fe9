//! What the steps from number to number have in common, and how long they are in bytes.
//!
//! Must not know: forms of series, how they are written.

use super::super::bytes::{varint_bytes, zigzag};

/// Bytes that steps take as changes, and each as a varint.
pub(super) fn bytes_of(steps: &[i64]) -> (usize, usize) {
    let (mut gap, mut changes, mut varints) = (0, 0, 0);
    for step in steps {
        if *step == 0 {
            gap += 1;
            varints += 1;
        } else {
            let bytes = varint_bytes(zigzag(*step));
            changes += varint_bytes(gap) + bytes;
            varints += bytes;
            gap = 0;
        }
    }
    (changes, varints)
}

/// What divides all steps; 1 where that is no `i64`.
pub(super) fn divisor_of(steps: &[i64]) -> i64 {
    let mut divisor = 0_u64;
    for step in steps.iter().map(|step| step.unsigned_abs()) {
        // Nearly always it goes on as it was.
        if step == 0 || (divisor != 0 && step % divisor == 0) {
            continue;
        }
        let (mut left, mut right) = (divisor, step);
        while right != 0 {
            (left, right) = (right, left % right);
        }
        divisor = left;
        if divisor == 1 {
            break;
        }
    }
    i64::try_from(divisor).unwrap_or(1).max(1)
}

/// Divides steps by what divides all of them: a shift and a product of 64 bits, as nothing is left over.
pub(super) fn divide(steps: &[i64], divisor: i64, into: &mut Vec<i64>) {
    let shift = divisor.trailing_zeros();
    let odd = divisor >> shift;
    // Each round doubles the low bits of `odd * inverse` that are those of 1; of any odd number's square three are.
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_i64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    into.clear();
    into.extend(steps.iter().map(|step| (step >> shift).wrapping_mul(inverse)));
}
