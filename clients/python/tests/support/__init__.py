"""What tests share: servers, proxies, a scripted gate, and the vectors."""
