-- What a ZooKeeper ensemble gives: samples of its servers.

CREATE TABLE sample_zookeeper (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    latency_avg_ns INTEGER,
    latency_min_ns INTEGER,
    latency_max_ns INTEGER,
    connections INTEGER,
    outstanding_requests INTEGER,
    znodes INTEGER,
    watches INTEGER,
    ephemerals INTEGER,
    followers INTEGER,
    followers_synced INTEGER,
    data_bytes INTEGER,
    file_descriptors INTEGER,
    file_descriptors_max INTEGER,
    packets_received INTEGER,
    packets_sent INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
