-- Samples of Docker swarms.

CREATE TABLE sample_swarm_node (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    tasks_running INTEGER,
    cpu_capacity_nano INTEGER,
    memory_capacity_bytes INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_swarm_service (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    desired INTEGER,
    running INTEGER,
    complete INTEGER,
    failed INTEGER,
    rejected INTEGER,
    shutdown INTEGER,
    orphaned INTEGER,
    remove INTEGER,
    pending INTEGER,
    starting INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
