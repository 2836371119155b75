//! Harness of the end-to-end tests and benches: a hermetic sandbox, a real daemon in it, and the
//! clients that ask it.

mod daemon;
mod events;
mod gateway;
mod outcome;
mod programs;
mod random;
mod sandbox;
mod terminal;

pub mod calls;
pub mod corpus;
pub mod durability;
pub mod models;
pub mod pdf;
pub mod qmd;
pub mod wait;

pub use self::{
    daemon::Daemon,
    events::Events,
    gateway::{Gateway, Remote},
    outcome::{Outcome, run},
    programs::{program, workspace},
    random::Random,
    sandbox::Sandbox,
    terminal::Terminal,
};
