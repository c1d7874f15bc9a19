"""What every Python test of dkv shares: a RESP client that keeps the raw bytes, and servers that never outlive a test."""
