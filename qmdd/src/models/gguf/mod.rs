//! The GGUF file format, version 3: a writer, a reader that trusts nothing, and what a file says of
//! its model.

#[cfg(test)]
pub(super) mod fixture;
mod inspect;
mod read;
mod types;
mod write;

pub use inspect::{GgufInfo, Pooling, inspect};
pub(super) use read::impostor;
pub use types::TensorType;
pub use write::{GgufWriter, MetaValue, TensorSpec};

/// The first four bytes.
const MAGIC: &[u8; 4] = b"GGUF";
/// The version written.
const VERSION: u32 = 3;
/// Alignment of tensor data where the file names none.
const ALIGNMENT: u64 = 32;

/// Numbers of the metadata value types.
mod kind {
    pub(super) const U8: u32 = 0;
    pub(super) const I8: u32 = 1;
    pub(super) const U16: u32 = 2;
    pub(super) const I16: u32 = 3;
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
    pub(super) const U64: u32 = 10;
    pub(super) const I64: u32 = 11;
    pub(super) const F64: u32 = 12;
}
