//! What of qmdctl other programs use: how good rankings are. The benches of the workspace measure with
//! the same code as `qmdctl eval`.

pub mod eval;
