-- What every kind shares: targets, polls, entities with their attributes, events. Kinds bring a table of samples each.

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- good_*: how far the target's good polls reach, deleted ones included.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    good_started_ms INTEGER,
    good_seen_until_ms INTEGER
) STRICT;

-- at_min_ms, at_max_ms: the oldest and newest of the times of its samples; NULL where it kept none.
CREATE TABLE poll (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES target (id),
    started_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    interval_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    missing TEXT NOT NULL,
    clock_offset_ms INTEGER NOT NULL,
    seen_until_ms INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    at_min_ms INTEGER,
    at_max_ms INTEGER
) STRICT;

CREATE INDEX poll_started ON poll (target, started_ms);

CREATE INDEX poll_good ON poll (target, started_ms)
    WHERE outcome IN ('ok', 'partial');

CREATE INDEX poll_failed ON poll (target, started_ms)
    WHERE outcome NOT IN ('ok', 'partial', 'skipped', 'dropped');

-- Where the samples of a time are: a poll's samples lie within 60 s from its oldest one.
CREATE INDEX poll_sampled ON poll (target, at_min_ms, interval_ms, clock_offset_ms)
    WHERE at_min_ms IS NOT NULL;

-- The few polls whose samples lie further apart: a clock that was wrong, a source that tells old times.
CREATE INDEX poll_sampled_wide ON poll (target, at_min_ms)
    WHERE at_max_ms - at_min_ms > 60000;

-- identity: the parts in the order of the kind's keys, each but the last followed by 00 01, a byte 00 within a part
-- written as 00 FF; so bytes sort as identities do.
CREATE TABLE entity (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    identity BLOB NOT NULL,
    ended_ms INTEGER,
    UNIQUE (kind, identity)
) STRICT;

-- What one target saw of an entity. last_seen_ms and seen_until_ms are NULL while a complete list names it: it is seen
-- as far as the target's good polls reach. sample_until_ms is NULL while its listings bring samples.
CREATE TABLE sighting (
    entity INTEGER NOT NULL REFERENCES entity (id),
    target INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    seen_from_ms INTEGER NOT NULL,
    last_seen_ms INTEGER,
    seen_until_ms INTEGER,
    sample_from_ms INTEGER,
    sample_until_ms INTEGER,
    PRIMARY KEY (entity, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX sighting_listed ON sighting (target) WHERE last_seen_ms IS NULL;

CREATE INDEX sighting_over ON sighting (last_seen_ms) WHERE last_seen_ms IS NOT NULL;

CREATE TABLE attribute_set (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX attribute_set_hash ON attribute_set (hash);

CREATE TABLE entity_version (
    entity INTEGER NOT NULL REFERENCES entity (id),
    from_ms INTEGER NOT NULL,
    attribute_set INTEGER NOT NULL REFERENCES attribute_set (id),
    PRIMARY KEY (entity, from_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX entity_version_set ON entity_version (attribute_set);

CREATE INDEX entity_version_from ON entity_version (from_ms);

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL REFERENCES target (id),
    at_ms INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    kind TEXT,
    entity BLOB,
    message TEXT NOT NULL,
    details TEXT NOT NULL,
    UNIQUE (target, at_ms, source_id, event_type)
) STRICT;

CREATE INDEX event_at ON event (at_ms);
