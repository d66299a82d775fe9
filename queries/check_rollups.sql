-- All rollups, with the kinds of their entities and the fields of their layouts.
-- plan: scan (all are checked)
SELECT rollup.id, entity.kind, rollup_layout.fields, rollup.body, rollup.end_ms
FROM rollup
LEFT JOIN entity ON entity.id = rollup.entity
LEFT JOIN rollup_layout ON rollup_layout.id = rollup.layout
ORDER BY rollup.id;
