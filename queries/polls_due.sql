-- Days of targets whose ticks are to become chains, with the targets' names.
SELECT due.target, due.day_ms, target.name
FROM poll_due AS due INDEXED BY poll_due_ready
CROSS JOIN target ON target.id = due.target
WHERE due.ready_ms <= :ready_ms
ORDER BY due.ready_ms, due.target
LIMIT :limit;
