-- Keeps a block.
INSERT INTO block (
    id, entity, end_ms, at_min_ms, at_max_ms, poll_min, poll_max, samples, is_merged, layout, body
) VALUES (
    :id, :entity, :end_ms, :at_min_ms, :at_max_ms, :poll_min, :poll_max, :samples, :is_merged, :layout, :body
);
