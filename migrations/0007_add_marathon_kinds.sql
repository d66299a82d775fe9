-- What a Marathon gives: samples of itself and of its applications.

CREATE TABLE sample_marathon (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    apps INTEGER,
    deployments INTEGER,
    queue_length INTEGER,
    queue_apps INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_marathon_app (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    instances INTEGER,
    tasks_staged INTEGER,
    tasks_running INTEGER,
    tasks_healthy INTEGER,
    tasks_unhealthy INTEGER,
    cpus_requested_milli INTEGER,
    memory_requested_bytes INTEGER,
    disk_requested_bytes INTEGER,
    gpus_requested_milli INTEGER,
    cpus_per_instance_milli INTEGER,
    memory_per_instance_bytes INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
