//! Runs kept in memory, for simulations.
