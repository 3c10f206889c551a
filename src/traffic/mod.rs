//! What is connected: sockets on the nodes, what of them is traffic, and which share of it each node gets.

pub mod decay;
pub mod delta;
mod endings;
pub mod meant;
pub mod residual;
pub mod share;
pub mod skew;
mod socket_info;
pub mod sockets;
pub mod turnover;
pub mod window;
