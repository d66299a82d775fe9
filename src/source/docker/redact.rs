//! Command lines as they may be kept: cut to a length, without what the configuration hides. Pure.

use crate::source::host::filter::is_excluded as matches_any;

/// What stands for what is hidden.
const HIDDEN: &str = "***";

/// A command line without what `patterns` hide, cut after so many bytes.
///
/// Without a pattern nothing is hidden. With some, in every word but the first (the program): of `name=value` the value
/// where the name matches, of `--name value` the next word, any other word that matches itself, and the password in an
/// address (`scheme://user:password@host`). Case and leading dashes of a word do not count, unless a pattern begins with
/// a dash: that one is for whole words (`-p*`).
pub(super) fn shown(command: &str, patterns: &[String], max_bytes: usize) -> String {
    if patterns.is_empty() {
        return cut(command.to_owned(), max_bytes);
    }
    let (words, names): (Vec<String>, Vec<String>) =
        patterns.iter().map(|pattern| pattern.to_lowercase()).partition(|pattern| pattern.starts_with('-'));
    let mut kept = String::with_capacity(command.len().min(max_bytes.saturating_add(HIDDEN.len())));
    let mut is_next_hidden = false;
    for (index, word) in command.split(' ').enumerate() {
        if index > 0 {
            kept.push(' ');
        }
        if kept.len() > max_bytes {
            break;
        }
        if index == 0 || word.is_empty() {
            kept.push_str(word);
            continue;
        }
        if std::mem::take(&mut is_next_hidden) && !word.starts_with('-') {
            kept.push_str(HIDDEN);
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let bare = name.trim_start_matches(|letter: char| !letter.is_alphanumeric() && letter != '_').to_lowercase();
        if matches_any(&word.to_lowercase(), &words) {
            kept.push_str(HIDDEN);
        } else if matches_any(&bare, &names) {
            match value {
                Some(_) => {
                    kept.push_str(name);
                    kept.push('=');
                    kept.push_str(HIDDEN);
                }
                None if word.starts_with('-') => {
                    kept.push_str(word);
                    is_next_hidden = true;
                }
                None => kept.push_str(HIDDEN),
            }
        } else {
            kept.push_str(&without_password(word));
        }
    }
    cut(kept, max_bytes)
}

/// A word without the password of an address in it.
fn without_password(word: &str) -> String {
    let parts = word.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, _) = rest.get(..end)?.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some((scheme, name, rest.get(user.len()..)?))
    });
    match parts {
        Some((scheme, name, rest)) => format!("{scheme}://{name}:{HIDDEN}{rest}"),
        None => word.to_owned(),
    }
}

/// A text, with an ellipsis for what is beyond so many bytes.
pub(super) fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|&it| it.to_owned()).collect()
    }

    #[test]
    fn what_matches_is_hidden() {
        let usual = patterns(&["*password*", "*secret*", "*token*"]);
        let check = |command: &str, expected: &str| assert_eq!(shown(command, &usual, 1_000), expected, "{command}");
        check("mysqld --port 3306", "mysqld --port 3306");
        check("mysqld --password=hunter2 --port=1", "mysqld --password=*** --port=1");
        check("mysqld --Password hunter2 --port 1", "mysqld --Password *** --port 1");
        check("tool --ask-password --verbose", "tool --ask-password --verbose");
        check("env DB_PASSWORD=a=b run", "env DB_PASSWORD=*** run");
        check(r#"sh -c "API_TOKEN=x run""#, r#"sh -c "API_TOKEN=*** run""#);
        check("psql postgres://me:hunter2@db:5432/x?y", "psql postgres://me:***@db:5432/x?y");
        check("psql postgres://me:a@b@db/x", "psql postgres://me:***@db/x");
        check("curl http://host:80/a@b", "curl http://host:80/a@b");
        // The program itself is named, whatever it is called.
        check("/bin/get-token now", "/bin/get-token now");
        check("", "");
    }

    #[test]
    fn patterns_are_the_configurations_own() {
        let check = |given: &[&str], command: &str, expected: &str| {
            assert_eq!(shown(command, &patterns(given), 1_000), expected, "{given:?} {command}");
        };
        check(&[], "a --password=b postgres://me:x@y", "a --password=b postgres://me:x@y");
        check(&["-p*"], "mysql -phunter2 -u me", "mysql *** -u me");
        check(&["ghp_*"], "git ghp_abc push", "git *** push");
    }

    #[test]
    fn what_is_long_is_cut_between_letters() {
        assert_eq!(shown("abcdef", &[], 4), "abcd…");
        assert_eq!(shown("abcdé", &[], 5), "abcd…");
        assert_eq!(shown("abcd", &[], 4), "abcd");
        // Nothing of a secret is left by the cut.
        assert_eq!(shown("a --token=hunter2", &patterns(&["token"]), 14), "a --token=***");
        assert_eq!(shown("a --token=hunter2", &patterns(&["token"]), 11), "a --token=*…");
    }
}
