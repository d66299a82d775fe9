//! Patterns of filter values: `prod`, `node-?,db-*`, `!test`, `\*`.

use std::collections::BTreeSet;
use std::fmt;

/// Longest pattern in bytes: some 250 container ids joined by commas, and half of what servers take as a line.
pub const PATTERN_BYTES_MAX: usize = 16_384;
/// Longest alternative with wildcards in bytes: matching takes the product of its length and the text's.
pub const GLOB_BYTES_MAX: usize = 1_024;

/// What a value must look like.
///
/// Alternatives stand between commas; a leading `!` turns the whole list round; `*` is any text, `?` any one
/// character; `\` takes the next character as it is. An empty alternative matches the empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pattern {
    negated: bool,
    literals: BTreeSet<String>,
    globs: Vec<Glob>,
}

impl Pattern {
    /// Reads a pattern, or says what is malformed.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("is longer than {PATTERN_BYTES_MAX} bytes; a glob such as web-* says more in less"));
        }
        let (negated, list) = text.strip_prefix('!').map_or((false, text), |list| (true, list));
        let mut pattern = Pattern { negated, ..Pattern::default() };
        let mut tokens = Vec::new();
        let mut characters = list.chars();
        loop {
            let token = match characters.next() {
                None => break,
                Some(',') => {
                    pattern.push(std::mem::take(&mut tokens))?;
                    continue;
                }
                Some('*') => Token::Many,
                Some('?') => Token::One,
                Some('\\') => Token::Literal(characters.next().ok_or(
                    "ends in a lone `\\`; `\\` takes the next character as it is, write `\\\\` for the character itself",
                )?),
                Some(character) => Token::Literal(character),
            };
            // Several stars in a row are one, and would cost like several.
            if token != Token::Many || tokens.last() != Some(&Token::Many) {
                tokens.push(token);
            }
        }
        pattern.push(tokens)?;
        Ok(pattern)
    }

    fn push(&mut self, tokens: Vec<Token>) -> Result<(), String> {
        let literal: Option<String> = tokens.iter().map(|token| token.literal()).collect();
        match literal {
            Some(literal) => {
                self.literals.insert(literal);
            }
            None if tokens.len() > GLOB_BYTES_MAX => {
                return Err(format!("has a glob of more than {GLOB_BYTES_MAX} characters; shorten it"));
            }
            None => self.globs.push(Glob(tokens)),
        }
        Ok(())
    }

    /// Whether a text passes.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_any(std::iter::once(text))
    }

    /// Whether any of several texts passes; with `!` whether none is as the list says. No text equals the empty one.
    pub fn matches_any<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let mut texts = texts.into_iter().peekable();
        let found = match texts.peek() {
            None => self.lists(""),
            Some(_) => texts.any(|text| self.lists(text)),
        };
        found != self.negated
    }

    fn lists(&self, text: &str) -> bool {
        self.literals.contains(text) || self.globs.iter().any(|glob| glob.matches(text))
    }

    /// The alternatives without wildcards, unescaped.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.literals.iter().map(String::as_str)
    }

    /// The alternatives with wildcards.
    pub(crate) fn globs(&self) -> &[Glob] {
        &self.globs
    }

    /// The only texts that pass, where they can be listed.
    pub fn only(&self) -> Option<impl Iterator<Item = &str>> {
        (!self.negated && self.globs.is_empty()).then(|| self.literals())
    }

    /// The same pattern with each alternative without wildcards written as `canonical` says, or its refusal.
    pub(crate) fn with_literals(self, canonical: impl Fn(&str) -> Result<String, String>) -> Result<Pattern, String> {
        let literals = self.literals.iter().map(|literal| canonical(literal)).collect::<Result<_, _>>()?;
        Ok(Pattern { literals, ..self })
    }
}

/// One alternative with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Many,
}

impl Token {
    fn literal(self) -> Option<char> {
        match self {
            Token::Literal(character) => Some(character),
            Token::One | Token::Many => None,
        }
    }
}

impl Glob {
    /// Whether the whole text is as the glob says. Only the last star is ever tried again, so that time is bounded
    /// by the product of both lengths.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut tokens, mut characters) = (self.0.iter(), text.chars());
        let mut retry = None;
        loop {
            let (token, character) = (tokens.as_slice().first(), characters.clone().next());
            match (token, character) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    tokens.next();
                    retry = Some((tokens.clone(), characters.clone()));
                    continue;
                }
                (Some(Token::One), Some(_)) => {}
                (Some(Token::Literal(wanted)), Some(character)) if *wanted == character => {}
                _ => {
                    // The last star takes one character more.
                    let Some((after_star, taken)) = &mut retry else { return false };
                    if taken.next().is_none() {
                        return false;
                    }
                    (tokens, characters) = (after_star.clone(), taken.clone());
                    continue;
                }
            }
            tokens.next();
            characters.next();
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| match token {
            Token::Literal(character) => write!(f, "{character}"),
            Token::One => f.write_str("?"),
            Token::Many => f.write_str("*"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(text), expected, "{pattern} on {text}");
    }

    #[test]
    fn a_comma_means_any() {
        check("web,db", "web", true);
        check("web,db", "db", true);
        check("web,db", "web,db", false);
        check(r"web\,db", "web,db", true);
    }

    #[test]
    fn a_leading_bang_negates_the_whole_list() {
        check("!web,db", "web", false);
        check("!web,db", "db", false);
        check("!web,db", "cache", true);
        check("!web,!db", "!db", false);
        check(r"\!web", "!web", true);
        check("!!web", "!web", false);
        check("!!web", "web", true);
    }

    #[test]
    fn star_and_question_mark_are_wildcards() {
        check("/shop/*", "/shop/cart", true);
        check("/shop/*", "/shop/", true);
        check("/shop/*", "/shop", false);
        check("node-?", "node-1", true);
        check("node-?", "node-12", false);
        check("node-?", "node-é", true);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b*", "xxbxxaxx", false);
        check("*", "", true);
        check("?", "", false);
        check("Web", "web", false);
    }

    #[test]
    fn a_backslash_escapes() {
        check(r"a\*", "a*", true);
        check(r"a\*", "ab", false);
        check(r"a\?", "a?", true);
        check(r"a\?", "ab", false);
        check(r"a\\", r"a\", true);
        assert!(Pattern::parse(r"a\").unwrap_err().contains(r"ends in a lone `\`"));
        assert!(Pattern::parse(r"a\\\").is_err());
    }

    #[test]
    fn an_empty_alternative_is_the_empty_text() {
        check("", "", true);
        check("", "a", false);
        check("!", "", false);
        check("!", "a", true);
        check("a,", "", true);
        check("a,", "a", true);
    }

    #[test]
    fn no_text_equals_the_empty_text() {
        let none = || std::iter::empty();
        assert!(Pattern::parse("").unwrap().matches_any(none()));
        assert!(!Pattern::parse("a").unwrap().matches_any(none()));
        assert!(Pattern::parse("!a").unwrap().matches_any(none()));
        assert!(Pattern::parse("*").unwrap().matches_any(none()));
    }

    #[test]
    fn of_several_texts_one_suffices_and_none_may_be_excluded() {
        assert!(Pattern::parse("a").unwrap().matches_any(["b", "a"]));
        assert!(!Pattern::parse("!a").unwrap().matches_any(["b", "a"]));
        assert!(Pattern::parse("!a").unwrap().matches_any(["b", "c"]));
    }

    #[test]
    fn hostile_globs_are_bounded() {
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX + 1)).unwrap_err().contains("longer than"));
        assert!(Pattern::parse(&"a?".repeat(GLOB_BYTES_MAX)).unwrap_err().contains("shorten it"));
        // Exponential matchers do not come back from this.
        check(&"*a".repeat(GLOB_BYTES_MAX / 2), &"a".repeat(4_000), true);
        check(&format!("{}b", "*a".repeat(500)), &"a".repeat(4_000), false);
        check(&"*".repeat(PATTERN_BYTES_MAX), "anything", true);
    }

    /// The definition, word by word.
    fn oracle(glob: &[char], text: &[char]) -> bool {
        match (glob.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', glob_rest)), _) => (0..=text.len()).any(|taken| oracle(glob_rest, &text[taken..])),
            (Some(('?', glob_rest)), Some((_, text_rest))) => oracle(glob_rest, text_rest),
            (Some((wanted, glob_rest)), Some((character, text_rest))) => {
                wanted == character && oracle(glob_rest, text_rest)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_defined(glob in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = oracle(&characters(&glob), &characters(&text));
            prop_assert_eq!(Pattern::parse(&glob).unwrap().matches(&text), expected);
            prop_assert_eq!(Pattern::parse(&format!("!{glob}")).unwrap().matches(&text), !expected);
        }

        #[test]
        fn an_escaped_text_matches_itself_alone(text in "\\PC{0,20}", other in "\\PC{0,20}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            let pattern = Pattern::parse(&escaped).unwrap();
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), text == other);
        }

        #[test]
        fn any_pattern_is_read_or_refused(text in "\\PC*", other in "\\PC*") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let _ = pattern.matches(&other);
            }
        }
    }
}
