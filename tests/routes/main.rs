//! Whole runs over routes of every shape, on providers that obey at once: what goes first, what is waited for, what is
//! never done. The real systems are in the contract suite and the lab; here is the order.

mod layouts;
mod sentinel;
mod stage;
