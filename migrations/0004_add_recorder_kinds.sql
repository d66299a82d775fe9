-- What the recorder says of itself: samples of the process and of each target's polls.

CREATE TABLE sample_recorder (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    cpu_ms INTEGER,
    memory_rss_bytes INTEGER,
    memory_max_rss_bytes INTEGER,
    open_files INTEGER,
    targets INTEGER,
    targets_up INTEGER,
    queue_length INTEGER,
    polls INTEGER,
    ticks_skipped INTEGER,
    snapshots_dropped INTEGER,
    samples INTEGER,
    duplicate_samples INTEGER,
    events INTEGER,
    commits INTEGER,
    commit_ms INTEGER,
    commit_failures INTEGER,
    file_bytes INTEGER,
    wal_bytes INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_target (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    up INTEGER,
    duration_ms INTEGER,
    bytes INTEGER,
    samples INTEGER,
    clock_offset_ms INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
