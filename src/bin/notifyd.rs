//! The program `notifyd` (see notifyd(8)).

fn main() {}
