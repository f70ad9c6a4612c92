//! Everything the daemon asks of the operating system and of Cyrus' master.

pub mod cancel;
