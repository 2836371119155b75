//! What an index has to outlive: `kill -9` at any moment, damaged bytes, a full or read-only disk.

pub mod disk;
pub mod flips;
pub mod inspect;
pub mod kills;
pub mod locks;
pub mod notes;
