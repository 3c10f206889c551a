//! What the tasks are made of; the tests of the lab use it too.
