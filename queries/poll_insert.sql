-- Keeps a poll under an id that rises.
INSERT INTO poll (
    id, target, started_ms, duration_ms, interval_ms, bytes, outcome, error, missing, clock_offset_ms, seen_until_ms,
    samples, at_min_ms, at_max_ms
) VALUES (
    :id, :target, :started_ms, :duration_ms, :interval_ms, :bytes, :outcome, :error, :missing, :clock_offset_ms,
    :seen_until_ms, :samples, :at_min_ms, :at_max_ms
);
