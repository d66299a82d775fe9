//! The token that opens the API: kept out of logs, compared in constant time.
//!
//! Must not know: where it was configured.

use std::fmt;

use warp::http::HeaderMap;
use warp::http::header::AUTHORIZATION;

/// A secret that clients send as `Authorization: Bearer <token>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Token(text.as_bytes().into())
    }

    /// Whether the headers carry it.
    pub(crate) fn is_sent(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, sent)) = value.as_bytes().split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && self.is_same(sent.trim_ascii())
    }

    /// Compares every byte whatever came before, so that the time taken tells nothing but the length.
    fn is_same(&self, sent: &[u8]) -> bool {
        let differing = self.0.iter().zip(sent).fold(0u8, |differing, (a, b)| differing | (a ^ b));
        self.0.len() == sent.len() && std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::new("s3cret");
        let check = |value: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            assert_eq!(token.is_sent(&headers), expected, "{value}");
        };
        check("Bearer s3cret", true);
        check("bearer  s3cret", true);
        check("Bearer s3cre", false);
        check("Bearer s3crets", false);
        check("Bearer ", false);
        check("Basic s3cret", false);
        check("", false);
        assert!(!token.is_sent(&HeaderMap::new()));
        let mut twice = HeaderMap::new();
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        assert!(!token.is_sent(&twice), "two headers are ambiguous");
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token(…)");
    }
}
