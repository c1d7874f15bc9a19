"""What the Python tests share: a RESP client that keeps the raw bytes, and servers that never outlive a test."""
