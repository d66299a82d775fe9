-- Samples of processes in containers.

CREATE TABLE sample_container_process (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    cpu_percent_tenths INTEGER,
    memory_rss_bytes INTEGER,
    memory_virtual_bytes INTEGER,
    cpu_ms INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
