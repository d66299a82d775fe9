//! What a manifest says: the blobs of an image, or the images of an index. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::names::is_digest;
use crate::model::{AttributeValue, Attributes};

/// The types of manifest that are understood; a registry answers with the one it has.
pub(super) const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5";

/// Most blobs or images of one manifest: an image has at most 127 layers, an index a few dozen images.
const PARTS_MAX: usize = 4096;

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    /// Its own size.
    pub(super) document_bytes: u64,
    pub(super) form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// An image.
    Image {
        /// Digest of its configuration.
        config: Option<Box<str>>,
        /// Sizes of layers and configuration by digest; what is kept elsewhere is left out.
        blobs: BTreeMap<Box<str>, u64>,
    },
    /// Images for several platforms, by the digests of their manifests.
    Index(BTreeMap<Box<str>, String>),
    /// An image of schema 1, which tells no sizes.
    Unsized,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: Option<serde_json::Value>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Descriptor {
    /// Whether the registry is not supposed to hold it.
    fn is_foreign(&self) -> bool {
        let has_urls = self.urls.as_ref().is_some_and(|urls| !urls.is_empty());
        has_urls || self.media_type.contains("foreign") || self.media_type.contains("nondistributable")
    }

    fn blob(&self) -> Result<(Box<str>, u64), String> {
        let digest = checked(&self.digest)?;
        let size = self.size.as_ref().and_then(serde_json::Value::as_u64).filter(|size| i64::try_from(*size).is_ok());
        Ok((digest, size.ok_or_else(|| format!("{} has no size", self.digest))?))
    }

    fn platform(&self) -> String {
        let Some(platform) = &self.platform else { return String::new() };
        let mut text = format!("{}/{}", platform.os, platform.architecture);
        if let Some(variant) = platform.variant.as_deref().filter(|variant| !variant.is_empty()) {
            text = format!("{text}/{variant}");
        }
        text
    }
}

fn checked(digest: &str) -> Result<Box<str>, String> {
    if is_digest(digest) { Ok(digest.into()) } else { Err(format!("{:?} is no digest", shortened(digest))) }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Manifest {
    /// What a body says, of the type that its reply names.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn parse(body: &[u8], content_type: &str) -> Result<Manifest, String> {
        let document: Document = serde_json::from_slice(body).map_err(|error| format!("not a manifest: {error}"))?;
        let told = document.media_type.unwrap_or_else(|| content_type.to_owned());
        let media_type = told.split(';').next().unwrap_or_default().trim().to_owned();
        let parts = document.layers.as_ref().map_or(0, Vec::len).max(document.manifests.as_ref().map_or(0, Vec::len));
        if parts > PARTS_MAX {
            return Err(format!("{parts} parts; more than {PARTS_MAX} are not read"));
        }
        let form = match (document.schema_version, document.manifests, document.layers) {
            (Some(1), _, _) => Form::Unsized,
            (_, Some(manifests), _) => {
                let images = manifests.iter().filter(|image| !image.is_foreign());
                let images = images.map(|image| Ok((checked(&image.digest)?, image.platform())));
                Form::Index(images.collect::<Result<_, String>>()?)
            }
            (_, None, layers) if layers.is_some() || document.config.is_some() => {
                let layers = layers.unwrap_or_default();
                let blobs = layers.iter().chain(&document.config).filter(|blob| !blob.is_foreign());
                Form::Image {
                    blobs: blobs.map(Descriptor::blob).collect::<Result<_, String>>()?,
                    config: document.config.as_ref().map(|config| config.digest.as_str().into()),
                }
            }
            _ => return Err("neither layers nor manifests are in it".to_owned()),
        };
        Ok(Manifest { media_type, document_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX), form })
    }

    /// Bytes of itself and of the blobs that it names itself; None where it tells no sizes.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        match &self.form {
            Form::Image { blobs, .. } => {
                blobs.values().try_fold(self.document_bytes, |sum, bytes| sum.checked_add(*bytes))
            }
            Form::Index(_) => Some(self.document_bytes),
            Form::Unsized => None,
        }
    }

    /// Layers that it names itself, each once.
    pub(super) fn layers(&self) -> Option<u64> {
        let Form::Image { config, blobs } = &self.form else { return None };
        let layers = blobs.keys().filter(|digest| Some(*digest) != config.as_ref()).count();
        u64::try_from(layers).ok()
    }

    /// All of it as attributes of kind `manifest`.
    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.insert("media_type", self.media_type.as_str().into());
        if let Ok(bytes) = i64::try_from(self.document_bytes) {
            attributes.insert("document_bytes", bytes.into());
        }
        match &self.form {
            Form::Image { config, blobs } => {
                if let Some(config) = config {
                    attributes.insert("config", AttributeValue::Text(config.to_string()));
                }
                let sizes = blobs.iter().map(|(digest, bytes)| (digest.to_string(), bytes.to_string()));
                attributes.insert("blobs", AttributeValue::Map(sizes.collect()));
            }
            Form::Index(images) => {
                let images = images.iter().map(|(digest, platform)| (digest.to_string(), platform.clone()));
                attributes.insert("images", AttributeValue::Map(images.collect()));
            }
            Form::Unsized => {}
        }
        attributes
    }

    /// The manifest whose [`Manifest::attributes`] these are.
    pub(super) fn from_attributes(attributes: &Attributes) -> Option<Manifest> {
        let text = |name: &str| match attributes.get(name) {
            Some(AttributeValue::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let Some(AttributeValue::Integer(bytes)) = attributes.get("document_bytes") else { return None };
        let form = match (attributes.get("blobs"), attributes.get("images")) {
            (Some(AttributeValue::Map(blobs)), _) => Form::Image {
                config: text("config").map(Into::into),
                blobs: blobs
                    .iter()
                    .map(|(digest, bytes)| Some((digest.as_str().into(), bytes.parse().ok()?)))
                    .collect::<Option<_>>()?,
            },
            (None, Some(AttributeValue::Map(images))) => {
                let images = images.iter().map(|(digest, platform)| (digest.as_str().into(), platform.clone()));
                Form::Index(images.collect())
            }
            _ => Form::Unsized,
        };
        Some(Manifest { media_type: text("media_type")?.to_owned(), document_bytes: u64::try_from(*bytes).ok()?, form })
    }
}
