-- The days of some entities that are to be rolled up, from one on, and the last one before it, each with the place of its
-- entity among them.
SELECT day_ms, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN rollup_due ON rollup_due.entity = wanted.value
WHERE rollup_due.day_ms >= coalesce(
    (SELECT max(due.day_ms) FROM rollup_due AS due WHERE due.entity = wanted.value AND due.day_ms < :from_ms),
    :from_ms
);
