//! kafka-testbed.
