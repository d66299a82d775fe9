-- When the oldest poll started: of each target's first the oldest.
SELECT min((SELECT min(poll.started_ms) FROM poll WHERE poll.target = target.id))
FROM target;
