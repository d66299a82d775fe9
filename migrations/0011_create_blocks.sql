-- Sealed samples. A poll's at_min_ms is from now on the oldest time among those of its samples that are still rows, and
-- NULL once there are none: the indexes on it lead to rows only. at_max_ms stays.

-- What columns blocks hold; block.layout names it. columns: a line a column, `i` or `f`, a space, the stored name.
CREATE TABLE block_layout (
    id INTEGER PRIMARY KEY,
    columns TEXT NOT NULL UNIQUE
) STRICT;

-- One entity's samples of a window. id: (the window's start in minutes since 1970) * 2^30 + entity, so that blocks stand
-- in the order of time and new ones at the end; windows of one entity never overlap. end_ms: the window's end.
-- poll_min, poll_max: among the polls that took its samples; a sample is there as long as its poll is.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL REFERENCES entity (id),
    end_ms INTEGER NOT NULL,
    at_min_ms INTEGER NOT NULL,
    at_max_ms INTEGER NOT NULL,
    poll_min INTEGER NOT NULL,
    poll_max INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    is_merged INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX block_entity ON block (entity);

CREATE INDEX block_unmerged ON block (is_merged) WHERE is_merged = 0;
