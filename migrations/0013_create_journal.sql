-- Samples that are not sealed yet. A poll's at_min_ms is NULL once none of its samples is here.
--
-- One poll's samples of a kind, in the order of their entities, cut into pieces that do not overlap. layout names what
-- columns body holds, as that of a block does. Rows that are in the tables sample_* move here, and those tables go.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    poll INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entity_min INTEGER NOT NULL,
    entity_max INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Finds an entity's piece of a poll, and tells how many samples are where.
CREATE INDEX journal_place ON journal (poll, kind, entity_max, entity_min, samples);
