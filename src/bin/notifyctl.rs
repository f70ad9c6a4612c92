//! The program `notifyctl` (see notifyctl(8)).

fn main() {}
