//! The end-to-end tests: real daemons, real models, real clients. One binary, so that it links once.

mod foreign;
