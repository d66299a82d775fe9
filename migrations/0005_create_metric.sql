-- Samples of kind metric. ANY: floating-point numbers, NaN and infinities included, as they were exposed.

CREATE TABLE sample_metric (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    value ANY,
    value_counted ANY,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
