//! Names, records and the error vocabulary that every layer shares. No IO, no async.

mod address;
mod collection;
mod content;
mod failure;
mod hit;
mod region;
mod role;
mod span;

pub use address::{Address, AddressError, LineRange, Target};
pub use collection::{Collection, CollectionName, CollectionNameError};
pub use content::{ContentHash, DocId, DocIdError};
pub use failure::{Failure, Reason};
pub use hit::{Contribution, Hit, Mode, Stage, StageReport, StageState, Trouble};
pub use region::{Compute, RegionError, Routing};
pub use role::Role;
pub use span::{ChunkSpan, TextSpan};
