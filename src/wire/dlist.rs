//! The dlist form (written in the next change).
