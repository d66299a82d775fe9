-- The days of some entities that are to be rolled up, from one on, each with the place of its entity among them.
SELECT day_ms, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN rollup_due ON rollup_due.entity = wanted.value
WHERE rollup_due.day_ms >= :from_ms;
