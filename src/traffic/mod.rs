//! What is connected: sockets on the nodes, and what of them is traffic.

pub mod residual;
pub mod sockets;
