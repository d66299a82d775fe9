//! Which API version an engine is asked in.
//!
//! Pure. Must not know: how its answers are fetched.

use std::fmt;

use serde::Deserialize;

/// Major and minor number of an API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    /// 1 of 1.41.
    pub(super) major: u16,
    /// 41 of 1.41.
    pub(super) minor: u16,
}

/// The oldest version understood: below it stats have no `networks` and one `network` instead (Docker 1.8).
pub(super) const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 21 };

/// The newest version known; a newer engine is asked in this one as long as it serves it.
pub(super) const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 52 };

/// From here on stats come without waiting for a second reading (`one-shot`).
pub(super) const ONE_SHOT_FROM: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// From here on events can be filtered by their object's type.
pub(super) const EVENT_TYPES_FROM: ApiVersion = ApiVersion { major: 1, minor: 22 };

/// From here on there is `system/df`.
pub(super) const DF_FROM: ApiVersion = ApiVersion { major: 1, minor: 25 };

impl ApiVersion {
    /// The version that a text means.
    pub(super) fn parse(text: &str) -> Option<ApiVersion> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What `/version` says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionReply {
    /// The engine's version.
    #[serde(default)]
    pub(super) version: Option<String>,
    /// The newest API version it serves.
    #[serde(default)]
    pub(super) api_version: Option<String>,
    /// The oldest API version it serves.
    #[serde(rename = "MinAPIVersion", default)]
    pub(super) min_api_version: Option<String>,
    /// Its parts.
    #[serde(default)]
    pub(super) components: Option<Vec<Component>>,
}

/// A part of an engine.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Component {
    /// Its name.
    #[serde(default)]
    pub(super) name: String,
    /// Its version.
    #[serde(default)]
    pub(super) version: String,
}

/// Chooses the version to ask in, of what `/_ping` and `/version` say.
///
/// # Errors
/// Says what version is needed where none fits.
pub(super) fn choose(newest: Option<&str>, oldest: Option<&str>) -> Result<ApiVersion, String> {
    let Some(newest) = newest.and_then(ApiVersion::parse) else {
        return Err("it does not say its API version; is this a Docker engine?".to_owned());
    };
    if newest < OLDEST {
        return Err(format!("its API version is {newest}; {OLDEST} (Docker 1.9) or newer is needed"));
    }
    let oldest = oldest.and_then(ApiVersion::parse).unwrap_or(OLDEST);
    // An engine that no longer serves the newest version known is asked in its oldest: closest to what is known.
    Ok(newest.min(NEWEST).max(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_know_is_chosen() {
        for (newest, oldest, chosen) in [
            ("1.41", Some("1.12"), "1.41"),
            ("1.21", None, "1.21"),
            ("1.24", Some("1.24"), "1.24"),
            ("1.52", Some("1.44"), "1.52"),
            ("1.60", Some("1.40"), "1.52"),
            ("1.99", Some("1.60"), "1.60"),
        ] {
            assert_eq!(choose(Some(newest), oldest).unwrap().to_string(), chosen, "{newest} {oldest:?}");
        }
    }

    #[test]
    fn an_old_engine_is_refused_with_the_version_it_needs() {
        assert_eq!(
            choose(Some("1.20"), None).unwrap_err(),
            "its API version is 1.20; 1.21 (Docker 1.9) or newer is needed"
        );
        assert!(choose(None, None).unwrap_err().contains("is this a Docker engine?"));
        assert!(choose(Some("x"), None).is_err());
    }
}
