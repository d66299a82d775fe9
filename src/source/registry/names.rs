//! Names in paths, and links from one page to the next. Pure.

use std::fmt::Write as _;

use reqwest::Url;

/// A name as part of a path: what is not plain is percent-encoded. None for one that would lead elsewhere.
pub(super) fn in_path(name: &str) -> Option<String> {
    let is_empty_or_dots = |part: &str| matches!(part, "" | "." | "..");
    if name.split('/').any(is_empty_or_dots) {
        return None;
    }
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => path.push(char::from(byte)),
            // Writing to a text cannot fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
    Some(path)
}

/// A text as part of a query.
pub(super) fn in_query(text: &str) -> String {
    Url::parse_with_params("http://x/", [("q", text)])
        .ok()
        .and_then(|url| url.query().and_then(|query| query.strip_prefix("q=")).map(str::to_owned))
        .unwrap_or_default()
}

/// Whether a text is a digest: an algorithm and hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    /// The longest known, sha512, has 128 digits.
    const DIGITS: std::ops::RangeInclusive<usize> = 32..=128;
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+._-".contains(&byte);
    !algorithm.is_empty()
        && algorithm.bytes().all(is_word)
        && DIGITS.contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The next page that a `Link` header leads to, as a path with its query at the same origin; None where there is
/// none.
///
/// A registry behind a proxy often gives its own scheme, port or path prefix: host names must agree, and the path is
/// taken as it stands.
///
/// # Errors
/// Where it leads to another host; the message says so.
pub(super) fn next_page(link: &str, from: &Url) -> Result<Option<String>, String> {
    let Some(target) = next_target(link) else { return Ok(None) };
    let next = from.join(target).map_err(|error| format!("its Link {target:?} cannot be read ({error})"))?;
    if next.host_str() != from.host_str() {
        let host = next.host_str().unwrap_or("nowhere");
        return Err(format!("its Link leads to another host, {host}; configure the address that answers for itself"));
    }
    Ok(Some(match next.query() {
        Some(query) => format!("{}?{query}", next.path()),
        None => next.path().to_owned(),
    }))
}

/// The target of the link whose relation is `next`.
fn next_target(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let (own, others) = parameters.split_at(end);
        let is_next = own.split([';', ',']).any(|parameter| {
            parameter.trim().split_once('=').is_some_and(|(name, value)| {
                let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = others;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_next_page_of_the_same_host() {
        let from = Url::parse("https://registry.test/v2/_catalog?n=100").unwrap();
        let check = |link: &str, expected: Option<&str>| {
            assert_eq!(next_page(link, &from), Ok(expected.map(str::to_owned)), "{link}");
        };
        check(
            r#"</v2/_catalog?last=bulk%2Fapp-095&n=100>; rel="next""#,
            Some("/v2/_catalog?last=bulk%2Fapp-095&n=100"),
        );
        check(r#"<https://registry.test/v2/_catalog?last=b&n=1>; rel="next""#, Some("/v2/_catalog?last=b&n=1"));
        check(r#"<http://registry.test:5000/v2/_catalog?last=b>;rel=next"#, Some("/v2/_catalog?last=b"));
        check(r#"<_catalog?last=b>; rel="next""#, Some("/v2/_catalog?last=b"));
        check(r#"<?last=b>; rel="next""#, Some("/v2/_catalog?last=b"));
        check(r#"</v2/a>; rel="prev", </v2/b>; title="x"; rel="last next""#, Some("/v2/b"));
        check(r#"</v2/a>; rel="prev""#, None);
        check("", None);
        check("<", None);
        assert!(next_page(r#"<https://elsewhere.test/v2/_catalog>; rel="next""#, &from).is_err());
        assert!(next_page(r#"<//elsewhere.test/v2/_catalog>; rel="next""#, &from).is_err());
    }

    #[test]
    fn names_stay_below_their_path() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(in_path(name).as_deref(), expected, "{name}");
        check("a/b/c", Some("a/b/c"));
        check("1.0-rc_1", Some("1.0-rc_1"));
        check("ä b?#%", Some("%C3%A4%20b%3F%23%25"));
        check("a/../../v1", None);
        check("a//b", None);
        check("", None);
    }

    #[test]
    fn digests_are_recognised() {
        assert!(is_digest("sha256:1a6c770ee5e8eab3e959ea7cdb34043ceb9bd506153f2fb23845661d9665ebae"));
        assert!(!is_digest("sha256:"));
        assert!(!is_digest("1a6c770ee5e8eab3e959ea7cdb34043ceb9bd506153f2fb23845661d9665ebae"));
        assert!(!is_digest("sha256:../../../../../../../../../../../etc"));
    }
}
