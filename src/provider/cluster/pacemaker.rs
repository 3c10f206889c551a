//! Pacemaker.
