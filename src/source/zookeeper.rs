//! ZooKeeper.

pub mod nodes;
