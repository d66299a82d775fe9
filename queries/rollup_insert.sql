-- Keeps a rollup.
INSERT INTO rollup (
    id, entity, end_ms, until_ms, first_ms, last_ms, before_ms, after_ms, is_merged, layout, body
) VALUES (
    :id, :entity, :end_ms, :until_ms, :first_ms, :last_ms, :before_ms, :after_ms, :is_merged, :layout, :body
);
