//! The kinds of image registries: the registry, its repositories, their tags, and the manifests that tags lead to.

use crate::model::{Attribute, AttributeType, Column, Key, Kind};

const REGISTRY_KEY: Key = Key { name: "registry", help: "The registry's name in the configuration." };

const fn fact(name: &'static str, ty: AttributeType, help: &'static str) -> Attribute {
    Attribute::new(name, ty, help)
}

const fn bytes(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "bytes", 0, help)
}

const fn number(name: &'static str, help: &'static str) -> Column {
    Column::gauge(name, name, "", 0, help)
}

const fn age(name: &'static str, stored: &'static str, help: &'static str) -> Column {
    Column::gauge(name, stored, "seconds", 3, help).not_additive()
}

/// A registry as a whole.
pub static REGISTRY: Kind = Kind {
    name: "registry",
    help: "An image registry as a whole.",
    identity: &[REGISTRY_KEY],
    attributes: &[
        fact("address", AttributeType::Text, "Where it is asked, without credentials."),
        fact("api", AttributeType::Text, "The version of its API, as it says."),
        fact("authentication", AttributeType::Text, "How it wants to know who asks: none, basic or bearer."),
    ],
    columns: &[
        number("repositories", "Repositories in its catalogue.").headline(),
        number("tags", "Tags of all repositories, as last listed.").headline(),
        bytes(
            "bytes",
            "All that its tags lead to, each layer, configuration and manifest once; nothing until all are known.",
        )
        .headline(),
        number("manifests", "Different manifests that its tags lead to."),
        number("blobs", "Different layers and configurations that its manifests name."),
        number("manifests_waiting", "Manifests not fetched yet: there was no budget for them."),
        number("requests", "Requests that the poll took.").not_additive(),
        age("listed_age_seconds", "listed_age_ms", "How long ago the oldest of its lists of tags came."),
        age("digest_age_seconds", "digest_age_ms", "How long ago the digest checked longest ago was checked."),
    ],
    derived: &[],
    display: &["registry"],
};

/// A repository of a registry.
pub static REPOSITORY: Kind = Kind {
    name: "repository",
    help: "A repository of an image registry.",
    identity: &[REGISTRY_KEY, Key { name: "repository", help: "Its name, such as library/nginx." }],
    attributes: &[],
    columns: &[
        number("tags", "Its tags, as last listed.").headline(),
        bytes(
            "bytes",
            "All that its tags lead to, each layer, configuration and manifest once; nothing until all are known.",
        )
        .headline()
        .not_additive(),
        bytes("shared_bytes", "The part of bytes that other repositories name too.").not_additive(),
        bytes("own_bytes", "The part of bytes that no other repository names.").headline(),
        number("tags_without_size", "Tags that are left out of the sizes: they tell none, or lead to nothing."),
        age("listed_age_seconds", "listed_age_ms", "How long ago its list of tags came."),
        age("digest_age_seconds", "digest_age_ms", "How long ago the digest checked longest ago was checked."),
    ],
    derived: &[],
    display: &["registry", "repository"],
};

/// A tag of a repository.
pub static TAG: Kind = Kind {
    name: "tag",
    help: "A tag of a repository: a name for a manifest. It is sampled when its digest was checked.",
    identity: &[
        REGISTRY_KEY,
        Key { name: "repository", help: "The repository's name." },
        Key { name: "tag", help: "Its name, such as latest." },
    ],
    attributes: &[
        fact("digest", AttributeType::Text, "The manifest it leads to."),
        fact("media_type", AttributeType::Text, "What that manifest is."),
        fact("image_id", AttributeType::Text, "The image's id, as engines have it; not for several platforms."),
        fact("platforms", AttributeType::List, "What the images of an index are for, os/architecture."),
        fact("fault", AttributeType::Text, "Why it has no size, where it is broken."),
    ],
    columns: &[
        bytes(
            "size_bytes",
            "Layers, configurations and manifests that it leads to, each once, as stored (compressed).",
        )
        .headline()
        .not_additive(),
        bytes("layer_bytes", "The layers among them.").not_additive(),
        number("layers", "Different layers that it leads to.").not_additive(),
    ],
    derived: &[],
    display: &["registry", "repository", "tag"],
};

/// A manifest, kept so that it is never fetched again.
pub static MANIFEST: Kind = Kind {
    name: "manifest",
    help: "A manifest that a tag leads to or led to. It never changes, so it is sampled once, when it was fetched.",
    identity: &[REGISTRY_KEY, Key { name: "digest", help: "What it is known by." }],
    attributes: &[
        fact("media_type", AttributeType::Text, "What it is."),
        fact("document_bytes", AttributeType::Integer, "Its own size."),
        fact("config", AttributeType::Text, "Digest of the image's configuration, which is the image's id."),
        fact("blobs", AttributeType::Map, "Sizes of layers and configuration in bytes, by digest."),
        fact("images", AttributeType::Map, "Of an index: platforms by the digests of their manifests."),
    ],
    columns: &[
        bytes("size_bytes", "Itself with the layers and the configuration that it names.").headline().not_additive(),
        number("layers", "Layers that it names.").not_additive(),
    ],
    derived: &[],
    display: &["registry", "digest"],
};
