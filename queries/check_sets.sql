-- All attribute sets.
-- plan: scan (all are checked)
SELECT id, hash, body FROM attribute_set;
