//! Varints and slices of a block's bytes. Reading past the end is an error, never a panic.

use super::{Damage, damage};

/// Appends an unsigned LEB128.
pub(in crate::store::sqlite) fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push((value & 0x7f) as u8);
}

/// Appends a signed number, small ones short.
pub(in crate::store::sqlite) fn put_zigzag(into: &mut Vec<u8>, value: i64) {
    put_varint(into, zigzag(value));
}

/// Bytes that a varint takes.
pub(in crate::store::sqlite) fn varint_bytes(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

pub(in crate::store::sqlite) fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sqlite) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(in crate::store::sqlite) fn new(rest: &'a [u8]) -> Self {
        Bytes { rest }
    }

    pub(in crate::store::sqlite) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(in crate::store::sqlite) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(in crate::store::sqlite) fn byte(&mut self) -> Result<u8, Damage> {
        let Some((first, rest)) = self.rest.split_first() else { return damage("it ends too early") };
        self.rest = rest;
        Ok(*first)
    }

    pub(in crate::store::sqlite) fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else { return damage("it ends too early") };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(in crate::store::sqlite) fn varint(&mut self) -> Result<u64, Damage> {
        // Most have one byte.
        match self.rest.split_first() {
            Some((only, rest)) if *only < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*only))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        damage("a number has more than 64 bits")
    }

    pub(in crate::store::sqlite) fn zigzag(&mut self) -> Result<i64, Damage> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A varint that counts something in memory.
    pub(in crate::store::sqlite) fn length(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.varint()?).map_err(|_| Damage("a length does not fit this machine".to_owned()))
    }
}
