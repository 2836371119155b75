//! Scores and their fusion. Pure arithmetic.

pub mod rrf;
pub mod score;
