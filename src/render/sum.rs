//! How much was written, and its SHA-256: what a download is checked against.
//!
//! Must not know: what is written.

use std::fmt::Write as _;
use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};

/// Takes bytes and keeps only their number and sum.
#[derive(Clone)]
pub struct Sum {
    context: Context,
    bytes: u64,
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sum").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Default for Sum {
    fn default() -> Self {
        Sum { context: Context::new(&SHA256), bytes: 0 }
    }
}

impl Sum {
    /// How many bytes were written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their SHA-256, in 64 hexadecimal digits.
    pub fn sha256(self) -> String {
        self.context.finish().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing into memory cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.context.update(bytes);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_sha256sum() {
        let mut sum = Sum::default();
        sum.write_all(b"a").unwrap();
        sum.write_all(b"bc").unwrap();
        assert_eq!(sum.bytes(), 3);
        assert_eq!(sum.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Sum::default().sha256().starts_with("e3b0c44298fc1c14"));
    }
}
