//! Import kernels for Node: each runs off the event loop. The arithmetic is in the crate bagelgraph-kernels.
