-- Every target with its reach, for the writer's memory.
-- plan: scan (all are wanted, and there are tens)
SELECT id, name, good_started_ms, good_seen_until_ms FROM target;
