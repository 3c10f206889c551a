//! Tidegate takes a node of an active-active service out of traffic, and brings it back, without losing a request.
