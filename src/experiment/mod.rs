//! What one run measures.
