//! Who asks: what a service that wants to know is told. Never shown.

use std::fmt;

/// Who asks.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Anybody.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// Who.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that is given as it stands.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "Credentials(none)",
            Credentials::Password { .. } => "Credentials(user and password)",
            Credentials::Token(_) => "Credentials(token)",
        })
    }
}

impl Credentials {
    /// What `Authorization` says of a user with a password.
    pub fn basic(&self) -> Option<String> {
        match self {
            Credentials::Password { user, password } => {
                Some(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
            }
            Credentials::None | Credentials::Token(_) => None,
        }
    }

    /// What `Authorization` says of them to whom they are meant for.
    pub fn authorization(&self) -> Option<String> {
        match self {
            Credentials::Token(token) => Some(format!("Bearer {token}")),
            Credentials::None | Credentials::Password { .. } => self.basic(),
        }
    }
}

/// Base64 with padding, as RFC 4648 has it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let is_padding = place > chunk.len();
            let index = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = LETTERS.get(index).copied().unwrap_or(b'=');
            text.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("alice:s3cret", "YWxpY2U6czNjcmV0");
    }

    #[test]
    fn no_secret_is_shown() {
        let credentials = Credentials::Password { user: "alice".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{credentials:?}").contains("s3cret"));
        assert!(!format!("{:?}", Credentials::Token("abc123".to_owned())).contains("abc123"));
    }
}
