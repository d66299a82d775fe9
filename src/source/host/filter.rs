//! Names that the settings leave out.

/// Whether one of the patterns matches the whole name; `*` is any text, `?` any one character.
pub(crate) fn is_excluded(name: &str, patterns: &[String]) -> bool {
    let name: Vec<char> = name.chars().collect();
    patterns.iter().any(|pattern| matches(&pattern.chars().collect::<Vec<_>>(), &name))
}

/// Goes back to the last `*` only, so that no pattern takes longer than pattern times name.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&wanted) = name.get(in_name) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(&given) if given == '?' || given == wanted => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    at = after + 1;
                    in_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(is_excluded(name, &[pattern.to_owned()]), expected, "{pattern} {name}");
        };
        check("lo", "lo", true);
        check("lo", "lo0", false);
        check("veth*", "vetheda938c", true);
        check("veth*", "veth", true);
        check("*eth?", "veth1", true);
        check("*eth?", "eth", false);
        check("*a*b*", "xaybz", true);
        check("*a*b*", "xbya", false);
        check("*", "", true);
        check("", "a", false);
        check("/run/*/x", "/run/a/b/x", true);
        assert!(!is_excluded("a", &[]));
    }
}
