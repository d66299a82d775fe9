-- All entities.
-- plan: scan (all are checked)
SELECT id, kind, identity FROM entity;
