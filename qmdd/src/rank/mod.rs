//! Scores and their fusion. Pure arithmetic.

pub mod blend;
pub mod convex;
pub mod hybrid;
pub mod score;
