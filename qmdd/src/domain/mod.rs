//! Names, records and the error vocabulary that every layer shares. No IO, no async.

mod address;
mod collection;
mod content;
pub mod date;
mod failure;
mod filter;
mod hit;
mod metadata;
mod region;
mod role;
mod span;

pub use address::{Address, AddressError, LineRange, Target};
pub use collection::{Collection, CollectionName, CollectionNameError};
pub use content::{ContentHash, DocId, DocIdError};
pub use failure::{Failure, Reason};
pub use filter::{DATE_KEYS, Filter, Kind, Place, Relation, TAG_KEYS, Test, Word};
pub use hit::{
    Contribution, Explanation, Hit, Mode, Passage, Stage, StageReport, StageState, Trouble,
};
pub(crate) use metadata::number;
pub use metadata::{Metadata, Property, Scalar};
pub use region::{Compute, RegionError, Routing};
pub use role::Role;
pub use span::{ChunkSpan, TextSpan};
