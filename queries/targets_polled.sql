-- Targets of which polls are kept, by name.
-- plan: scan (all are wanted, and there are tens; in the order of the names' index)
SELECT id, name FROM target
WHERE EXISTS (SELECT 1 FROM poll WHERE poll.target = target.id)
ORDER BY name;
