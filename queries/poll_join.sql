-- Adds samples from elsewhere to a poll.
UPDATE poll
SET started_ms = :started_ms, duration_ms = max(duration_ms, :seen_until_ms - :started_ms),
    seen_until_ms = :seen_until_ms, samples = samples + :samples, at_max_ms = :at_max_ms
WHERE id = :id;
