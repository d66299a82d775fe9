//! What is shown to a service so that it answers: a user with a password, or a token.
//!
//! Must not know: where they were read from. Their `Debug` says only that something is there.

use reqwest::header::HeaderValue;

use super::failure::SetupError;

/// Credentials of one service.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// HTTP Basic.
    Basic {
        /// The user or principal.
        user: String,
        /// The password or secret.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::Basic { .. } => "Credentials::Basic(…)",
            Credentials::Bearer(_) => "Credentials::Bearer(…)",
        })
    }
}

impl Credentials {
    /// What `Authorization` says of them.
    pub fn authorization(&self) -> String {
        match self {
            Credentials::Basic { user, password } => {
                format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
            }
            Credentials::Bearer(token) => format!("Bearer {token}"),
        }
    }

    /// The value of `Authorization`.
    pub(super) fn header(&self) -> Result<HeaderValue, SetupError> {
        let mut value = HeaderValue::from_str(&self.authorization())
            .map_err(|_| SetupError::Address("the credentials hold characters that no header can".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        for (to, from) in word.iter_mut().skip(1).zip(group) {
            *to = *from;
        }
        let word = u32::from_be_bytes(word);
        for digit in 0..4_u32 {
            let index = usize::try_from((word >> (18 - 6 * digit)) & 63).unwrap_or(0);
            let is_there = usize::try_from(digit).is_ok_and(|digit| digit <= group.len());
            text.push(if is_there { DIGITS.get(index).copied().map_or('=', char::from) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}\u{fe}?>", "w7/Dvj8+"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text, "{plain}");
        }
    }

    #[test]
    fn nothing_of_them_is_shown() {
        let basic = Credentials::Basic { user: "collector".to_owned(), password: "s3cret".to_owned() };
        assert_eq!(basic.header().unwrap(), "Basic Y29sbGVjdG9yOnMzY3JldA==");
        let bearer = Credentials::Bearer("s3cret".to_owned());
        assert_eq!(bearer.header().unwrap(), "Bearer s3cret");
        let shown = format!("{basic:?} {bearer:?} {:?}", bearer.header().unwrap());
        assert!(!shown.contains("s3cret") && !shown.contains("Y29s"), "{shown}");
        assert!(Credentials::Bearer("a\nb".to_owned()).header().is_err());
    }
}
