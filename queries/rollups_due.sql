-- Days of entities that are to be rolled up, those that are ready longest first.
SELECT due.entity, due.day_ms, due.ready_ms, entity.kind, entity.identity
FROM rollup_due AS due INDEXED BY rollup_due_ready
CROSS JOIN entity ON entity.id = due.entity
WHERE due.ready_ms <= :ready_ms
ORDER BY due.ready_ms, due.entity
LIMIT :limit;
