//! The program `notifytest` (see notifytest(8)).

fn main() {}
