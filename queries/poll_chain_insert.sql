-- Keeps a chain of ticks.
INSERT INTO poll_chain (
    target, day_ms, turn, outcome, started_first_ms, seen_until_first_ms, interval_first_ms, started_last_ms,
    seen_until_last_ms, interval_last_ms
) VALUES (
    :target, :day_ms, :turn, :outcome, :started_first_ms, :seen_until_first_ms, :interval_first_ms, :started_last_ms,
    :seen_until_last_ms, :interval_last_ms
);
