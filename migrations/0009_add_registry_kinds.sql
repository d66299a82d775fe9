-- Samples of image registries. Tags are sampled when their digest was checked, manifests once.

CREATE TABLE sample_registry (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    repositories INTEGER,
    tags INTEGER,
    bytes INTEGER,
    manifests INTEGER,
    blobs INTEGER,
    manifests_waiting INTEGER,
    requests INTEGER,
    listed_age_ms INTEGER,
    digest_age_ms INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_repository (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    tags INTEGER,
    bytes INTEGER,
    shared_bytes INTEGER,
    own_bytes INTEGER,
    tags_without_size INTEGER,
    listed_age_ms INTEGER,
    digest_age_ms INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_tag (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    size_bytes INTEGER,
    layer_bytes INTEGER,
    layers INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_manifest (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    size_bytes INTEGER,
    layers INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
