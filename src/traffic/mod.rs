//! What is connected: sockets on the nodes, and what of them is traffic.

pub mod decay;
mod endings;
pub mod residual;
mod socket_info;
pub mod sockets;
