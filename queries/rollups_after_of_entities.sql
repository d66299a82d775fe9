-- The oldest rollup of each of some entities whose id is not below another, with the place of its entity among them.
SELECT id, end_ms, until_ms, first_ms, last_ms, before_ms, after_ms, is_merged, layout, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN rollup ON rollup.id = (
    SELECT later.id
    FROM rollup AS later
    WHERE later.entity = wanted.value AND later.id >= :until
    ORDER BY later.id
    LIMIT 1
)
WHERE (SELECT max(id) FROM rollup) >= :until;
