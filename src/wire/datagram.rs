//! The datagram form (written in the next change).
