-- The rollups of some entities with ids of [from, until), each with the place of its entity among them.
SELECT id, end_ms, until_ms, first_ms, last_ms, before_ms, after_ms, is_merged, layout, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN rollup ON rollup.entity = wanted.value
WHERE rollup.id >= :from AND rollup.id < :until;
