-- Targets of which polls are kept, by name, and when the newest of these began.
-- plan: scan (all are wanted, and there are tens; in the order of the names' index)
SELECT id, name, (SELECT max(started_ms) FROM poll WHERE poll.target = target.id)
FROM target
WHERE EXISTS (SELECT 1 FROM poll WHERE poll.target = target.id)
ORDER BY name;
