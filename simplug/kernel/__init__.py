"""The kernel: kinds, registries, configs, hooks, errors, artifacts. It knows no component by name."""
