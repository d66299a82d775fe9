-- Rolled-up hours. They are made of whole days of blocks, and outlive them.

-- What fields rollups hold; rollup.layout names it. fields: a line a field, stored names of columns, names of derived ones.
CREATE TABLE rollup_layout (
    id INTEGER PRIMARY KEY,
    fields TEXT NOT NULL UNIQUE
) STRICT;

-- One entity's hours of a window. id: as that of a block, of the window's start. end_ms: the window's end; hours from
-- until_ms on are not rolled up. first_ms, last_ms: its oldest and newest sample; before_ms, after_ms: those before and
-- after it when it was made, which the hours at its ends depend on. A window without samples, into which only the stretch
-- between two others reaches, has these as its newest and its oldest.
CREATE TABLE rollup (
    id INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL REFERENCES entity (id),
    end_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER,
    before_ms INTEGER,
    after_ms INTEGER,
    is_merged INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX rollup_entity ON rollup (entity);

CREATE INDEX rollup_unmerged ON rollup (is_merged) WHERE is_merged = 0;

-- Days of an entity that are to be rolled up, once ready_ms has settled: it has blocks that are not in its rollup.
CREATE TABLE rollup_due (
    entity INTEGER NOT NULL,
    day_ms INTEGER NOT NULL,
    ready_ms INTEGER NOT NULL,
    PRIMARY KEY (entity, day_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX rollup_due_ready ON rollup_due (ready_ms, entity);

CREATE TRIGGER block_is_due AFTER INSERT ON block BEGIN
    INSERT OR IGNORE INTO rollup_due (entity, day_ms, ready_ms)
    SELECT new.entity, day * 86400000, (day + 1) * 86400000
    FROM (SELECT ((new.id >> 30) - (((new.id >> 30) % 1440) + 1440) % 1440) / 1440 AS day);
END;

INSERT INTO rollup_due (entity, day_ms, ready_ms)
SELECT DISTINCT entity, day * 86400000, (day + 1) * 86400000
FROM (SELECT entity, ((id >> 30) - (((id >> 30) % 1440) + 1440) % 1440) / 1440 AS day FROM block);

-- Ticks of one target that went alike and followed each other without a break, within a day. interval_first_ms,
-- interval_last_ms: the polling intervals of the first and the last of them.
CREATE TABLE poll_chain (
    target INTEGER NOT NULL REFERENCES target (id),
    day_ms INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    started_first_ms INTEGER NOT NULL,
    seen_until_first_ms INTEGER NOT NULL,
    interval_first_ms INTEGER NOT NULL,
    started_last_ms INTEGER NOT NULL,
    seen_until_last_ms INTEGER NOT NULL,
    interval_last_ms INTEGER NOT NULL,
    PRIMARY KEY (target, day_ms, turn)
) STRICT, WITHOUT ROWID;

-- Days of a target whose ticks are to become chains, once ready_ms has settled.
CREATE TABLE poll_due (
    target INTEGER NOT NULL,
    day_ms INTEGER NOT NULL,
    ready_ms INTEGER NOT NULL,
    PRIMARY KEY (target, day_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX poll_due_ready ON poll_due (ready_ms, target);

CREATE TRIGGER poll_is_due AFTER INSERT ON poll BEGIN
    INSERT OR IGNORE INTO poll_due (target, day_ms, ready_ms)
    SELECT new.target, day * 86400000, (day + 1) * 86400000
    FROM (SELECT (new.started_ms - ((new.started_ms % 86400000) + 86400000) % 86400000) / 86400000 AS day);
END;

INSERT INTO poll_due (target, day_ms, ready_ms)
SELECT DISTINCT target, day * 86400000, (day + 1) * 86400000
FROM (
    SELECT target, (started_ms - ((started_ms % 86400000) + 86400000) % 86400000) / 86400000 AS day FROM poll
);
