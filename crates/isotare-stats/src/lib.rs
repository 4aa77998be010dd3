//! Statistics of paired blocks.
