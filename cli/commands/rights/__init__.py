"""Commands about permissions: review works, decide claims, record site policies, withdraw works."""
