//! Registries over recorded and simulated replies.
