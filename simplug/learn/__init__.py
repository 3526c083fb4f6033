"""Models that own an index, and the bridge from components to Keras."""
