-- What a Docker engine's polls give: samples of containers, their interfaces and devices, engines and images.

CREATE TABLE sample_container (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    cpu_usage_ns INTEGER,
    cpu_user_ns INTEGER,
    cpu_system_ns INTEGER,
    cpu_host_ns INTEGER,
    cpu_online INTEGER,
    cpu_periods INTEGER,
    cpu_throttled_periods INTEGER,
    cpu_throttled_ns INTEGER,
    memory_usage_bytes INTEGER,
    memory_limit_bytes INTEGER,
    memory_max_usage_bytes INTEGER,
    memory_rss_bytes INTEGER,
    memory_cache_bytes INTEGER,
    memory_inactive_file_bytes INTEGER,
    memory_swap_bytes INTEGER,
    memory_mapped_file_bytes INTEGER,
    memory_faults INTEGER,
    memory_major_faults INTEGER,
    memory_limit_hits INTEGER,
    pids INTEGER,
    network_receive_bytes INTEGER,
    network_receive_packets INTEGER,
    network_receive_errors INTEGER,
    network_receive_dropped INTEGER,
    network_transmit_bytes INTEGER,
    network_transmit_packets INTEGER,
    network_transmit_errors INTEGER,
    network_transmit_dropped INTEGER,
    block_read_bytes INTEGER,
    block_read_ops INTEGER,
    block_write_bytes INTEGER,
    block_write_ops INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_container_interface (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    receive_bytes INTEGER,
    receive_packets INTEGER,
    receive_errors INTEGER,
    receive_dropped INTEGER,
    transmit_bytes INTEGER,
    transmit_packets INTEGER,
    transmit_errors INTEGER,
    transmit_dropped INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_container_device (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    read_bytes INTEGER,
    read_ops INTEGER,
    write_bytes INTEGER,
    write_ops INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_engine (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    containers INTEGER,
    containers_running INTEGER,
    containers_paused INTEGER,
    containers_stopped INTEGER,
    images INTEGER,
    cpus INTEGER,
    memory_total_bytes INTEGER,
    disk_images_bytes INTEGER,
    disk_containers_bytes INTEGER,
    disk_volumes_bytes INTEGER,
    disk_build_cache_bytes INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample_image (
    poll INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    since_ms INTEGER,
    size_bytes INTEGER,
    shared_bytes INTEGER,
    containers INTEGER,
    PRIMARY KEY (poll, entity)
) STRICT, WITHOUT ROWID;
