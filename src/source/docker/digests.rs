//! By which digests registries know the images of an engine's containers, by image id.
//!
//! Ids and digests are both hashes of content, so what was told of an image once stays true: nothing is taken back when
//! it is untagged or deleted. Pure. Must not know: how images are asked for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::kinds::{IMAGE_DIGEST, IMAGE_DIGESTS};
use super::wire::bare;
use crate::model::{AttributeValue, Attributes};

/// Images asked for in one visit, those that waited longest first: each takes an engine a millisecond or two.
pub(super) const IMAGES_ASKED_MAX: usize = 64;

/// Digests remembered of one image: one for each registry and repository it was pulled from or pushed to.
const DIGESTS_MAX: usize = 64;

/// What of a reply to `/images/{id}/json` is of interest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ImageReply {
    #[serde(rename = "RepoDigests", default)]
    pub(super) digests: Option<Vec<String>>,
}

/// The images of the containers that an engine lists, by bare id.
#[derive(Debug, Default)]
pub(super) struct Digests(HashMap<Box<str>, Image>);

#[derive(Debug, Default)]
struct Image {
    /// `repository@digest`, in the order in which they were learnt.
    names: Vec<String>,
    /// When it was asked for last; None: it is to be asked for.
    asked: Option<Instant>,
}

impl Digests {
    /// Those of some images that are to be asked for: never asked for, or not since so long.
    pub(super) fn due<'a>(&self, used: impl Iterator<Item = &'a str>, now: Instant, every: Duration) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let mut due: Vec<(Option<Instant>, &str)> = used
            .filter(|id| !id.is_empty() && seen.insert(bare(id)))
            .map(|id| (self.0.get(bare(id)).and_then(|image| image.asked), id))
            .filter(|(asked, _)| asked.is_none_or(|asked| now.saturating_duration_since(asked) >= every))
            .collect();
        due.sort_unstable();
        due.truncate(IMAGES_ASKED_MAX);
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Writes down what an image is known by, told by the engine or by what was stored.
    pub(super) fn note<'a>(&mut self, id: &str, names: impl IntoIterator<Item = &'a str>) {
        let image = self.0.entry(bare(id).into()).or_default();
        for name in names {
            let is_digest = name.split_once('@').is_some_and(|(_, digest)| digest.contains(':'));
            if is_digest && image.names.len() < DIGESTS_MAX && !image.names.iter().any(|known| known == name) {
                image.names.push(name.to_owned());
            }
        }
    }

    /// An answer about an image came, be it that there is no such image any more.
    pub(super) fn note_asked(&mut self, id: &str, at: Instant) {
        self.0.entry(bare(id).into()).or_default().asked = Some(at);
    }

    /// Something happened to images: whatever they are known by may be more now.
    pub(super) fn ask_again(&mut self) {
        self.0.values_mut().for_each(|image| image.asked = None);
    }

    /// Forgets images of which the engine lists no container any more.
    pub(super) fn retain<'a>(&mut self, used: impl Iterator<Item = &'a str>) {
        let used: HashSet<&str> = used.map(bare).collect();
        self.0.retain(|id, _| used.contains(&**id));
    }

    /// How many digests of an image are known; they only become more.
    pub(super) fn count(&self, id: Option<&str>) -> usize {
        id.and_then(|id| self.0.get(bare(id))).map_or(0, |image| image.names.len())
    }

    /// Adds to a container's facts, which name its image and the image's id, by what registries know it.
    pub(super) fn add_to(&self, facts: &mut Attributes) {
        let text = |name: &str| match facts.get(name) {
            Some(AttributeValue::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let named = text("image").unwrap_or_default();
        let names = text("image_id").and_then(|id| self.0.get(bare(id))).map_or(&[][..], |image| &image.names);
        let digest = digest_of(named, names).map(str::to_owned);
        let mut all = names.to_vec();
        all.sort_unstable();
        if let Some(digest) = digest {
            facts.insert(IMAGE_DIGEST, digest.into());
        }
        if !all.is_empty() {
            facts.insert(IMAGE_DIGESTS, all.into());
        }
    }
}

/// Of the digests of an image the one by which it was named: the one in the name itself, else the repository's of that
/// name, else the first that was learnt.
fn digest_of<'a>(named: &'a str, names: &'a [String]) -> Option<&'a str> {
    if let Some((_, digest)) = named.split_once('@') {
        return Some(digest);
    }
    let wanted = repository(named);
    let digests = || names.iter().filter_map(|name| name.split_once('@'));
    let own = digests().find(|(of, _)| repository(of) == wanted);
    own.or_else(|| digests().next()).map(|(_, digest)| digest)
}

/// The repository in an image's name, without its tag and without what an engine may leave out of it.
fn repository(named: &str) -> &str {
    let end = named.rfind(':').filter(|at| named.rfind('/').is_none_or(|slash| slash < *at)).unwrap_or(named.len());
    let (name, _) = named.split_at(end);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aa";
    const B: &str = "sha256:bb";

    #[test]
    fn the_digest_is_that_of_the_repository_in_the_name() {
        let check = |named: &str, names: &[&str], expected: Option<&str>| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(digest_of(named, &names), expected, "{named} {names:?}");
        };
        check("hub:5000/a/b:1.0", &["other/b@sha256:bb", "hub:5000/a/b@sha256:aa"], Some(A));
        check("hub:5000/a/b", &["hub:5000/a/b@sha256:aa", "a/b@sha256:bb"], Some(A));
        check("nginx", &["x/nginx@sha256:bb", "docker.io/library/nginx@sha256:aa"], Some(A));
        check("docker.io/library/nginx:1", &["nginx@sha256:aa"], Some(A));
        // Named by what no registry knows: one digest is as good as the other, but always the same.
        check("sha256:1234", &["a@sha256:aa", "b@sha256:bb"], Some(A));
        check("web:built-here", &["b@sha256:bb", "a@sha256:aa"], Some(B));
        check("web@sha256:bb", &["web@sha256:aa"], Some(B));
        check("web:built-here", &[], None);
    }

    #[test]
    fn what_was_told_once_stays_and_only_becomes_more() {
        let mut digests = Digests::default();
        let facts = |digests: &Digests| {
            let mut facts: Attributes = [("image", "hub/a:1".into()), ("image_id", "i1".into())].into();
            digests.add_to(&mut facts);
            (facts.get(IMAGE_DIGEST).cloned(), facts.get(IMAGE_DIGESTS).cloned())
        };
        let list = |names: &[&str]| Some(AttributeValue::List(names.iter().map(|&name| name.to_owned()).collect()));
        assert_eq!(facts(&digests), (None, None));
        digests.note("i1", ["hub/a@sha256:bb", "<none>@<none>"]);
        assert_eq!(facts(&digests), (Some(B.into()), list(&["hub/a@sha256:bb"])));
        // Untagged, and pushed to somewhere else.
        digests.note("sha256:i1", []);
        digests.note("i1", ["elsewhere/a@sha256:aa", "hub/a@sha256:bb"]);
        assert_eq!(facts(&digests), (Some(B.into()), list(&["elsewhere/a@sha256:aa", "hub/a@sha256:bb"])));
        assert_eq!((digests.count(Some("i1")), digests.count(Some("i2")), digests.count(None)), (2, 0, 0));
        digests.retain(["i2"].into_iter());
        assert_eq!(facts(&digests), (None, None));
    }

    #[test]
    fn images_are_asked_for_once_and_again_when_something_happened() {
        let every = Duration::from_secs(600);
        let start = Instant::now();
        let mut digests = Digests::default();
        let used = || ["i1", "i2", "i1", ""].into_iter();
        assert_eq!(digests.due(used(), start, every), ["i1", "i2"]);
        digests.note_asked("i1", start);
        assert_eq!(digests.due(used(), start, every), ["i2"]);
        digests.note_asked("i2", start + Duration::from_secs(1));
        assert_eq!(digests.due(used(), start + Duration::from_secs(599), every), [""; 0]);
        assert_eq!(digests.due(used(), start + Duration::from_secs(600), every), ["i1"]);
        digests.ask_again();
        assert_eq!(digests.due(used(), start, every), ["i1", "i2"]);
        let many: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
        assert_eq!(digests.due(many.iter().map(String::as_str), start, every).len(), IMAGES_ASKED_MAX);
    }
}
