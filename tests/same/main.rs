//! The same test, two programs (cases follow).
#[path = "../common/mod.rs"]
mod common;
