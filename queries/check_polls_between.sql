-- Polls by number in [first, last], as the samples of blocks know them.
SELECT id, interval_ms, clock_offset_ms, at_max_ms FROM poll WHERE id >= :first AND id <= :last ORDER BY id;
