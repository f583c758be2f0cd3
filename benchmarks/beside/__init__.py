"""The benchmark beside the peers: the same functions with the same weights in Weft and in what it replaces, timed in turn."""
